#include "text/characters.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include "core/error.hpp"

namespace seqrec::trainer {
namespace {

UChar32 code(char32_t c) { return static_cast<UChar32>(c); }

bool in_ranges(char32_t c, std::initializer_list<std::pair<char32_t, char32_t>> ranges) {
    for (const auto& [first, last] : ranges)
        if (c >= first && c <= last) return true;
    return false;
}

using Instance = const icu::Normalizer2* (*)(UErrorCode&);

std::u32string normalized(const std::u32string& text, Instance instance) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::UnicodeString from = icu::UnicodeString::fromUTF32(
        reinterpret_cast<const UChar32*>(text.data()), static_cast<std::int32_t>(text.size()));
    const icu::Normalizer2* normalizer = instance(status);
    if (U_FAILURE(status)) throw Error(sqlstate::kInternal, "ICU has no data for normalisation");
    const icu::UnicodeString result = normalizer->normalize(from, status);
    if (U_FAILURE(status)) throw Error(sqlstate::kInternal, "ICU could not normalise a text");
    std::u32string points(static_cast<std::size_t>(result.length()), U'\0');
    const std::int32_t length = result.toUTF32(reinterpret_cast<UChar32*>(points.data()),
                                               static_cast<std::int32_t>(points.size()), status);
    points.resize(static_cast<std::size_t>(length));
    return points;
}

}  // namespace

std::u32string decoded(std::string_view text) {
    std::u32string points;
    points.reserve(text.size());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    const auto size = static_cast<std::int64_t>(text.size());
    for (std::int64_t i = 0; i < size;) {
        UChar32 c = 0;
        U8_NEXT_OR_FFFD(bytes, i, size, c);
        points.push_back(static_cast<char32_t>(c));
    }
    return points;
}

void append_utf8(std::string& text, char32_t c) {
    std::uint8_t bytes[U8_MAX_LENGTH];
    std::int32_t length = 0;
    U8_APPEND_UNSAFE(bytes, length, code(c));
    text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

std::string encoded(std::u32string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    for (const char32_t c : text) append_utf8(bytes, c);
    return bytes;
}

std::u32string decomposed(const std::u32string& text) {
    return normalized(text, icu::Normalizer2::getNFDInstance);
}

std::u32string folded(const std::u32string& text) {
    return normalized(text, icu::Normalizer2::getNFKCCasefoldInstance);
}

void append_lower(std::u32string& text, char32_t c) {
    if (c == U'\u0130')
        text += U"i\u0307";  // the one letter whose small form is two characters
    else
        text += static_cast<char32_t>(u_tolower(code(c)));
}

bool is_space(char32_t c) { return c == '\t' || c == '\n' || c == '\r' || u_isUWhiteSpace(code(c)); }

bool is_control(char32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') return false;
    return (U_GET_GC_MASK(code(c)) & U_GC_C_MASK) != 0;
}

bool is_punctuation(char32_t c) {
    if (in_ranges(c, {{33, 47}, {58, 64}, {91, 96}, {123, 126}})) return true;
    return (U_GET_GC_MASK(code(c)) & U_GC_P_MASK) != 0;
}

bool is_mark(char32_t c) { return u_charType(code(c)) == U_NON_SPACING_MARK; }

bool is_ideograph(char32_t c) {
    return c >= 0x3400 && in_ranges(c, {{0x4E00, 0x9FFF},
                                        {0x3400, 0x4DBF},
                                        {0x20000, 0x2A6DF},
                                        {0x2A700, 0x2B73F},
                                        {0x2B740, 0x2B81F},
                                        {0x2B820, 0x2CEAF},
                                        {0xF900, 0xFAFF},
                                        {0x2F800, 0x2FA1F}});
}

bool is_word_part(char32_t c) {
    return (U_GET_GC_MASK(code(c)) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK)) != 0;
}

bool is_digit(char32_t c) { return (U_GET_GC_MASK(code(c)) & U_GC_N_MASK) != 0; }

bool is_unspaced(char32_t c) {
    if (c < 0x1100) return false;  // no table needed for most of the world's text
    UErrorCode status = U_ZERO_ERROR;
    const UScriptCode script = uscript_getScript(code(c), &status);
    return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA ||
           script == USCRIPT_HANGUL || script == USCRIPT_BOPOMOFO ||
           c == U'\u30FC';  // the mark of a long vowel
}

}  // namespace seqrec::trainer
