#include "core/words.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace seqrec {
namespace {

constexpr std::size_t kLongestText = 400;  // characters that are compared: a title, not a book

/// A character and the bytes that it was read from.
struct Character {
    char32_t code;
    std::string_view bytes;
};

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

std::size_t length_by_first(unsigned char byte) {
    if (byte < 0x80) return 1;
    if (byte >= 0xC2 && byte < 0xE0) return 2;
    if (byte >= 0xE0 && byte < 0xF0) return 3;
    return byte >= 0xF0 && byte < 0xF5 ? 4 : 1;
}

/// The first character of a text that is not empty. A byte that begins none is one by itself, of code 0xFFFD.
Character first_of(std::string_view text) {
    const auto first = static_cast<unsigned char>(text[0]);
    if (first < 0x80) return {first, text.substr(0, 1)};
    const std::size_t length = length_by_first(first);
    const std::string_view bytes = text.substr(0, length);
    if (length == 1 || bytes.size() < length || !std::ranges::all_of(bytes.substr(1), continues))
        return {0xFFFD, text.substr(0, 1)};
    char32_t code = first & (0xFFU >> (length + 1));
    for (const char byte : bytes.substr(1)) code = code << 6 | (static_cast<unsigned char>(byte) & 0x3FU);
    return {code, bytes};
}

std::vector<Character> characters_of(std::string_view text, std::size_t most) {
    std::vector<Character> characters;
    while (!text.empty() && characters.size() < most) {
        characters.push_back(first_of(text));
        text.remove_prefix(characters.back().bytes.size());
    }
    return characters;
}

bool is_between(char32_t code, char32_t first, char32_t last) { return code >= first && code <= last; }

/// Of writing without spaces: kana, Chinese characters.
bool is_cjk(char32_t code) {
    return is_between(code, 0x3040, 0x30FF) || is_between(code, 0x3400, 0x9FFF) ||
           is_between(code, 0xF900, 0xFAFF) || is_between(code, 0x20000, 0x3FFFF);
}

bool is_alphanumeric(char32_t code) {
    return is_between(code, '0', '9') || is_between(code, 'a', 'z') || is_between(code, 'A', 'Z');
}

/// Letters of any other writing; not the spaces and marks of Unicode's blocks of them.
bool is_letter(char32_t code) {
    if (code < 0x80) return is_alphanumeric(code);
    return code >= 0xC0 && code != 0xD7 && code != 0xF7 && !is_between(code, 0x2000, 0x2BFF) &&
           !is_between(code, 0x3000, 0x303F) && !is_between(code, 0xFE00, 0xFE4F) &&
           !is_between(code, 0xFF00, 0xFF0F) && !is_between(code, 0xFF1A, 0xFF20) && code != 0xFFFD;
}

enum class Class : std::uint8_t { Between, Word, Unspaced };

Class class_of(char32_t code) {
    if (is_cjk(code)) return Class::Unspaced;
    return is_letter(code) ? Class::Word : Class::Between;
}

struct Run {
    Class kind;
    std::span<const Character> characters;
};

std::vector<Run> runs_of(std::span<const Character> text) {
    std::vector<Run> runs;
    for (std::size_t begin = 0, end; begin < text.size(); begin = end) {
        const Class kind = class_of(text[begin].code);
        end = begin + 1;
        while (end < text.size() && class_of(text[end].code) == kind) ++end;
        if (kind != Class::Between) runs.push_back({kind, text.subspan(begin, end - begin)});
    }
    return runs;
}

std::string text_of(std::span<const Character> characters) {
    std::string text;
    for (const Character& character : characters) text += character.bytes;
    return text;
}

std::string lowered(std::span<const Character> characters) {
    std::string text = text_of(characters);
    std::ranges::transform(text, text.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return text;
}

constexpr std::array<std::string_view, 24> kEmptyWords = {
    "the", "an", "and", "or", "of", "in", "on", "at",  "to",   "by",   "is",   "it",
    "as",  "be", "no",  "de", "la", "le", "el", "for", "from", "with", "your", "set"};

bool says_something(const Run& run, const std::string& word) {
    return run.characters.size() >= 2 && std::ranges::find(kEmptyWords, word) == kEmptyWords.end();
}

/// A word that both have. One column a letter, two a Chinese character.
struct Shared {
    std::string text, key;
    std::size_t weight;
};

void add(std::vector<Shared>& found, std::span<const Character> characters, std::size_t columns) {
    Shared shared{text_of(characters), lowered(characters), characters.size() * columns};
    const auto is_same = [&](const Shared& other) { return other.key == shared.key; };
    if (std::ranges::none_of(found, is_same)) found.push_back(std::move(shared));
}

void add_word(std::vector<Shared>& found, const Run& run, std::span<const Run> others) {
    const std::string word = lowered(run.characters);
    if (!says_something(run, word)) return;
    const auto is_same = [&](const Run& other) {
        return other.kind == Class::Word && other.characters.size() == run.characters.size() &&
               lowered(other.characters) == word;
    };
    if (std::ranges::any_of(others, is_same)) add(found, run.characters, 1);
}

/// How many characters of `a` stand at the beginning of `b`.
std::size_t common_length(std::span<const Character> a, std::span<const Character> b) {
    const auto differ = std::ranges::mismatch(a, b, {}, &Character::code, &Character::code);
    return static_cast<std::size_t>(differ.in1 - a.begin());
}

std::size_t longest_in(std::span<const Character> run, std::span<const Run> others) {
    std::size_t longest = 0;
    for (const Run& other : others)
        for (std::size_t i = 0; other.kind == Class::Unspaced && i < other.characters.size(); ++i)
            longest = std::max(longest, common_length(run, other.characters.subspan(i)));
    return longest;
}

void add_unspaced(std::vector<Shared>& found, const Run& run, std::span<const Run> others) {
    for (std::size_t at = 0; at < run.characters.size();) {
        const std::size_t length = longest_in(run.characters.subspan(at), others);
        if (length >= 2) add(found, run.characters.subspan(at, length), 2);
        at += std::max<std::size_t>(length, 1);
    }
}

// --- titles made short ---

bool is_blank(char32_t code) {
    return code <= 0x20 || is_between(code, 0x7F, 0xA0) || is_between(code, 0x2028, 0x2029) || code == 0x3000;
}

/// Turns the direction of what follows, the words around the title included, or is not to be seen at all.
bool is_hidden(char32_t code) {
    return is_between(code, 0x200E, 0x200F) || is_between(code, 0x202A, 0x202E) ||
           is_between(code, 0x2066, 0x2069) || code == 0x200B || code == 0xFEFF;
}

/// Belongs to the character before it: a mark, a joiner, a variation.
bool joins(char32_t code) {
    return is_between(code, 0x300, 0x36F) || code == 0x200D || is_between(code, 0xFE00, 0xFE0F);
}

std::size_t columns_of(char32_t code) {
    if (joins(code)) return 0;
    return is_cjk(code) || is_between(code, 0x3000, 0x303F) || is_between(code, 0xAC00, 0xD7AF) ||
                   is_between(code, 0xFF00, 0xFF60) || code >= 0x1F300
               ? 2
               : 1;
}

/// The characters that are seen, in one line: each stretch of blanks is one space, none at either end.
std::vector<Character> in_one_line(std::string_view title, std::size_t most) {
    std::vector<Character> line;
    bool blank = false;
    for (const Character& character : characters_of(title, most)) {
        if (is_hidden(character.code)) continue;
        if (!is_blank(character.code)) {
            if (blank && !line.empty()) line.push_back({' ', " "});
            line.push_back(character);
        }
        blank = is_blank(character.code);
    }
    return line;
}

/// How many characters fit.
std::size_t fitting(std::span<const Character> line, std::size_t columns) {
    std::size_t taken = 0, count = 0;
    while (count < line.size() && taken + columns_of(line[count].code) <= columns)
        taken += columns_of(line[count++].code);
    return count;
}

/// A cut that leaves words whole, or the one given where that would leave too little.
std::size_t at_a_word(std::span<const Character> line, std::size_t cut) {
    std::size_t better = cut;
    while (better > 0 && class_of(line[better].code) == Class::Word &&
           class_of(line[better - 1].code) == Class::Word)
        --better;
    if (better * 2 < cut) better = cut;
    while (better > 0 && joins(line[better].code)) --better;
    while (better > 0 && class_of(line[better - 1].code) == Class::Between && line[better - 1].code < 0x80 &&
           line[better - 1].code != ')')
        --better;
    return better;
}

}  // namespace

std::vector<std::string> shared_words(std::string_view text, std::string_view other, std::size_t most) {
    const auto own = characters_of(text, kLongestText), theirs = characters_of(other, kLongestText);
    const auto others = runs_of(theirs);
    std::vector<Shared> found;
    for (const Run& run : runs_of(own))
        run.kind == Class::Word ? add_word(found, run, others) : add_unspaced(found, run, others);
    std::ranges::stable_sort(found, std::greater(), &Shared::weight);
    std::vector<std::string> words;
    for (std::size_t i = 0; i < std::min(most, found.size()); ++i) words.push_back(std::move(found[i].text));
    return words;
}

std::string shortened(std::string_view title, std::size_t most_columns, std::string_view ellipsis) {
    const auto line = in_one_line(title, kLongestText + most_columns);
    if (fitting(line, most_columns) == line.size()) return text_of(line);
    const std::size_t room = most_columns - std::min(most_columns, ellipsis == "..." ? std::size_t{3} : 1);
    const std::size_t cut = at_a_word(line, fitting(line, room));
    return text_of(std::span(line).first(cut)) + std::string(ellipsis);
}

}  // namespace seqrec
