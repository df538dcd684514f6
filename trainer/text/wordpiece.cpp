#include "text/wordpiece.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "text/characters.hpp"

namespace seqrec::trainer {
namespace {

std::u32string cleaned(const std::u32string& text) {
    std::u32string result;
    for (const char32_t c : text)
        if (is_space(c))
            result += U' ';
        else if (c != 0 && c != U'\uFFFD' && !is_control(c))
            result += c;
    return result;
}

std::u32string with_ideographs_apart(const std::u32string& text) {
    std::u32string result;
    for (const char32_t c : text)
        if (is_ideograph(c))
            (result += U' ') += {c, U' '};
        else
            result += c;
    return result;
}

std::u32string without_accents(const std::u32string& text) {
    const auto is_ascii = [](char32_t c) { return c < 0x80; };
    if (std::all_of(text.begin(), text.end(), is_ascii)) return text;
    std::u32string result = decomposed(text);
    std::erase_if(result, is_mark);
    return result;
}

std::u32string lowered(const std::u32string& text) {
    std::u32string result;
    for (const char32_t c : text) append_lower(result, c);
    return result;
}

/// In the order of Hugging Face's tokenizers.
std::u32string normalized_text(std::string_view text, const WordRules& rules) {
    std::u32string result = decoded(text);
    if (rules.lowercase_first) result = lowered(result);
    if (rules.clean_text) result = cleaned(result);
    if (rules.handle_chinese_chars) result = with_ideographs_apart(result);
    if (rules.strip_accents.value_or(rules.lowercase)) result = without_accents(result);
    if (rules.lowercase) result = lowered(result);
    return result;
}

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

std::vector<std::string> bert_words(std::string_view text, const WordRules& rules) {
    std::vector<std::string> words;
    bool inside = false;
    for (const char32_t c : normalized_text(text, rules)) {
        const bool space = is_space(c), alone = !space && is_punctuation(c);
        if (!space) {
            if (alone || !inside) words.emplace_back();
            append_utf8(words.back(), c);
        }
        inside = !space && !alone;
    }
    return words;
}

WordPiece::WordPiece(const Vocabulary& vocabulary, WordPieceSettings settings)
    : settings_(std::move(settings)) {
    for (const auto& [token, id] : vocabulary) {
        largest_ = std::max(largest_, id);
        longest_piece_ = std::max(longest_piece_, token.size());
        starting_.insert_or_assign(token, id);
        if (token.starts_with(settings_.prefix))
            continuing_.insert_or_assign(token.substr(settings_.prefix.size()), id);
    }
    unknown_ = special(settings_.unknown);
    begin_ = special(settings_.begin);
    end_ = special(settings_.end);
}

std::int32_t WordPiece::special(const std::string& token) const {
    const auto found = starting_.find(token);
    if (found == starting_.end())
        throw Error(sqlstate::kDataCorrupted,
                    "the language model's vocabulary has no token \"" + token + "\"");
    return found->second;
}

/// The longest piece at the beginning of `rest`: its id and its bytes, 0 when there is none.
std::pair<std::int32_t, std::size_t> WordPiece::longest(std::string_view rest, bool first) const {
    const Pieces& pieces = first ? starting_ : continuing_;
    for (std::size_t size = std::min(rest.size(), longest_piece_); size > 0; --size) {
        if (size < rest.size() && !begins_character(rest[size])) continue;
        if (const auto found = pieces.find(rest.substr(0, size)); found != pieces.end())
            return {found->second, size};
    }
    return {unknown_, 0};
}

/// A word with a part that the vocabulary lacks is unknown as a whole.
void WordPiece::add_word(const std::string& word, std::vector<std::int32_t>& to) const {
    const std::size_t before = to.size();
    std::size_t at = 0;
    if (std::count_if(word.begin(), word.end(), begins_character) <= settings_.longest_word)
        while (at < word.size()) {
            const auto [id, size] = longest(std::string_view(word).substr(at), at == 0);
            if (size == 0) break;
            to.push_back(id);
            at += size;
        }
    if (at == word.size()) return;
    to.resize(before);
    to.push_back(unknown_);
}

std::vector<std::int32_t> WordPiece::pieces(std::string_view text) const {
    std::vector<std::int32_t> result;
    for (const std::string& word : bert_words(text, settings_.rules)) add_word(word, result);
    return result;
}

std::vector<std::int32_t> WordPiece::ids(std::string_view text) const {
    std::vector<std::int32_t> result = pieces(text);
    if (result.empty()) return result;
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(settings_.max_tokens - 2, 1));
    if (result.size() > most) result.resize(most);
    result.insert(result.begin(), begin_);
    result.push_back(end_);
    return result;
}

}  // namespace seqrec::trainer
