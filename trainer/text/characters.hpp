// What kinds of characters there are, by ICU, and text as code points.
#pragma once

#include <string>
#include <string_view>

namespace seqrec::trainer {

/// UTF-8 as code points; bytes that are none become U+FFFD.
/// UTF-8 解码为码位；非法字节变为 U+FFFD。
std::u32string decoded(std::string_view text);
void append_utf8(std::string& text, char32_t c);
std::string encoded(std::u32string_view text);
/// Canonical decomposition (NFD).
/// 规范分解（NFD）。
std::u32string decomposed(const std::u32string& text);
/// Compatibility composition with case folded (NFKC_Casefold), without what can't be seen.
/// 兼容合成并折叠大小写（NFKC_Casefold），去除不可见字符。
std::u32string folded(const std::u32string& text);
/// A lower-case letter by itself, as in "σ" at a word's end; two characters for U+0130.
/// 单个字符的小写。
void append_lower(std::u32string& text, char32_t c);

bool is_space(char32_t c);        // as BERT has it: with tab and line ends
bool is_control(char32_t c);      // and unassigned, private, format: but tab and line ends
bool is_punctuation(char32_t c);  // and all of ASCII that is no letter, digit or space
bool is_mark(char32_t c);         // an accent: non-spacing mark
bool is_ideograph(char32_t c);    // BERT's ranges of Chinese characters
bool is_word_part(char32_t c);    // letters, marks, digits
bool is_digit(char32_t c);
bool is_unspaced(char32_t c);  // Han, Kana, Hangul: scripts whose words n-grams of 1 to 3 stand for

}  // namespace seqrec::trainer
