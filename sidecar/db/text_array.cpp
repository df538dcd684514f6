#include "db/text_array.hpp"

#include <cstdint>

namespace seqrec::sidecar {
namespace {

constexpr std::uint32_t kTextOid = 25;  // fixed in PostgreSQL's catalogue

void append_word(std::string& bytes, std::uint32_t word) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(word >> shift & 0xff));
}

}  // namespace

std::string encode_text_array(std::span<const std::string> values) {
    std::string bytes;
    append_word(bytes, values.empty() ? 0 : 1);  // an empty array has no dimension at all
    append_word(bytes, 0);
    append_word(bytes, kTextOid);
    if (values.empty()) return bytes;
    append_word(bytes, static_cast<std::uint32_t>(values.size()));
    append_word(bytes, 1);
    for (const auto& value : values) {
        append_word(bytes, static_cast<std::uint32_t>(value.size()));
        bytes += value;
    }
    return bytes;
}

}  // namespace seqrec::sidecar
