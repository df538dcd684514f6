#include "db/arrays.hpp"

#include <array>
#include <bit>
#include <charconv>

namespace seqrec::sidecar {
namespace {

constexpr std::uint32_t kInt4Oid = 23, kTextOid = 25;  // fixed in PostgreSQL's catalogue
constexpr std::uint32_t kNull = 0xffffffff;            // the length of a NULL
constexpr std::size_t kWord = 4, kHasNullsAt = kWord, kLengthAt = 3 * kWord, kHeader = 5 * kWord;

std::uint32_t word_at(std::string_view bytes, std::size_t at) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < kWord; ++i) word = word << 8 | static_cast<unsigned char>(bytes[at + i]);
    return word;
}

void append_word(std::string& bytes, std::uint32_t word) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(word >> shift & 0xff));
}

void set_word(std::string& bytes, std::size_t at, std::uint32_t word) {
    std::string text;
    append_word(text, word);
    bytes.replace(at, kWord, text);
}

std::string header(std::uint32_t type, std::size_t length, bool has_nulls) {
    std::string bytes;
    append_word(bytes, length == 0 ? 0 : 1);  // an empty array has no dimension at all
    append_word(bytes, has_nulls);
    append_word(bytes, type);
    if (length == 0) return bytes;
    append_word(bytes, static_cast<std::uint32_t>(length));
    append_word(bytes, 1);
    return bytes;
}

/// Calls `take(element)` for each element, nothing for a NULL; ends early where the bytes do.
template <typename Take>
void for_each_element(std::string_view array, Take take) {
    if (array.size() < kHeader || word_at(array, 0) != 1) return;
    std::uint32_t left = word_at(array, kLengthAt);
    array.remove_prefix(kHeader);
    for (; left > 0 && array.size() >= kWord; --left) {
        const std::uint32_t length = word_at(array, 0);
        array.remove_prefix(kWord);
        if (length == kNull) {
            take(std::optional<std::string_view>());
            continue;
        }
        if (length > array.size()) return;
        take(std::optional(array.substr(0, length)));
        array.remove_prefix(length);
    }
}

}  // namespace

std::string encode_array(std::span<const std::string> values) {
    std::string bytes = header(kTextOid, values.size(), false);
    for (const auto& value : values) {
        append_word(bytes, static_cast<std::uint32_t>(value.size()));
        bytes += value;
    }
    return bytes;
}

std::string encode_array(std::span<const std::optional<std::string>> values) {
    bool has_nulls = false;
    for (const auto& value : values) has_nulls |= !value;
    std::string bytes = header(kTextOid, values.size(), has_nulls);
    for (const auto& value : values) {
        append_word(bytes, value ? static_cast<std::uint32_t>(value->size()) : kNull);
        bytes += value.value_or("");
    }
    return bytes;
}

std::string encode_array(std::span<const std::optional<std::int32_t>> values) {
    bool has_nulls = false;
    for (const auto& value : values) has_nulls |= !value;
    std::string bytes = header(kInt4Oid, values.size(), has_nulls);
    for (const auto& value : values) {
        append_word(bytes, value ? kWord : kNull);
        if (value) append_word(bytes, static_cast<std::uint32_t>(*value));
    }
    return bytes;
}

void append_array(std::string& array, std::string_view more) {
    if (more.size() < kHeader) return;
    if (array.size() < kHeader) {
        array = more;
        return;
    }
    set_word(array, kHasNullsAt, word_at(array, kHasNullsAt) | word_at(more, kHasNullsAt));
    set_word(array, kLengthAt, word_at(array, kLengthAt) + word_at(more, kLengthAt));
    array += more.substr(kHeader);
}

std::vector<std::optional<std::string_view>> decode_texts(std::string_view array) {
    std::vector<std::optional<std::string_view>> texts;
    for_each_element(array, [&](const auto& element) { texts.push_back(element); });
    return texts;
}

std::vector<float> decode_reals(std::string_view array) {
    std::vector<float> values;
    for_each_element(array, [&](const auto& element) {
        values.push_back(element && element->size() == kWord ? std::bit_cast<float>(word_at(*element, 0))
                                                             : 0);
    });
    return values;
}

Parameter array_parameter(const std::optional<std::vector<std::string>>& texts) {
    if (!texts) return {std::nullopt, true};
    return {encode_array(*texts), true};
}

Parameter number_parameter(std::optional<double> number) {
    if (!number) return {};
    std::array<char, 32> digits{};
    return {
        std::string(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), *number).ptr)};
}

}  // namespace seqrec::sidecar
