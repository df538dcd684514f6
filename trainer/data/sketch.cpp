#include "data/sketch.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>

namespace seqrec::trainer {

void add_to_sketch(std::span<float> row, std::string_view token, float weight) {
    XXH128_hash_t hash = XXH3_128bits(token.data(), token.size());
    for (std::uint64_t half : {hash.low64, hash.high64})
        for (int place = 0; place < 2; ++place, half >>= 32) {
            const auto bits = static_cast<std::uint32_t>(half);
            row[(bits >> 1) % row.size()] += bits & 1 ? weight : -weight;
        }
}

}  // namespace seqrec::trainer
