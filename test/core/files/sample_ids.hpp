// Ids at the edges, for tests of what holds ids.
#pragma once

#include <cstdint>
#include <limits>

#include "core/files/id_map.hpp"

namespace seqrec::testing {

inline constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

inline Uuid uuid_of(std::uint8_t first, std::uint8_t last) {
    Uuid uuid{};
    uuid.front() = first;
    uuid.back() = last;
    return uuid;
}

}  // namespace seqrec::testing
