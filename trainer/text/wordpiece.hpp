// WordPiece as BERT does it: clean, split into words, each word into the longest pieces that a vocabulary has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace seqrec::trainer {

/// How text becomes words: what Hugging Face calls BertNormalizer, with its defaults.
/// 文本如何变为词：即 Hugging Face 的 BertNormalizer 及其默认值。
struct WordRules {
    bool clean_text = true;
    bool handle_chinese_chars = true;
    bool lowercase = true;
    std::optional<bool> strip_accents = {};  ///< follows lowercase
    bool lowercase_first = false;  ///< before accents are considered, as sentence_bert_config.json may ask
};

/// The words of a text (UTF-8; what is not counts as unknown characters), punctuation each by itself.
/// 文本（UTF-8）中的词；标点各自成词。
std::vector<std::string> bert_words(std::string_view text, const WordRules& rules);

/// What a vocabulary is used with.
/// 词表的使用方式。
struct WordPieceSettings {
    WordRules rules = {};
    std::string prefix = "##";  ///< of pieces that continue a word
    std::string unknown = "[UNK]", begin = "[CLS]", end = "[SEP]";
    std::int64_t longest_word = 100;  ///< in characters; longer ones are unknown
    std::int64_t max_tokens = 512;    ///< begin and end included
};

using Vocabulary = std::vector<std::pair<std::string, std::int32_t>>;

/// Turns text into token ids. Error XX001 when the vocabulary lacks one of the special tokens.
/// 将文本变为词元编号；词表缺少特殊词元时抛出 XX001。
class WordPiece {
  public:
    WordPiece(const Vocabulary& vocabulary, WordPieceSettings settings);

    /// Ids of the pieces of a text, without begin and end, not cut.
    /// 文本各片段的编号，不含首尾标记，不截断。
    std::vector<std::int32_t> pieces(std::string_view text) const;
    /// The same between begin and end, cut to max_tokens with the end kept; nothing for a text without a word.
    /// 加上首尾标记并截断（保留尾标记）；没有词的文本为空。
    std::vector<std::int32_t> ids(std::string_view text) const;
    std::int32_t largest_id() const { return largest_; }
    const WordPieceSettings& settings() const { return settings_; }

  private:
    struct Hash : std::hash<std::string_view> {
        using is_transparent = void;
    };
    using Pieces = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;
    std::int32_t special(const std::string& token) const;
    void add_word(const std::string& word, std::vector<std::int32_t>& to) const;
    std::pair<std::int32_t, std::size_t> longest(std::string_view rest, bool first) const;

    WordPieceSettings settings_;
    Pieces starting_, continuing_;
    std::size_t longest_piece_ = 0;  // bytes
    std::int32_t unknown_ = 0, begin_ = 0, end_ = 0, largest_ = 0;
};

}  // namespace seqrec::trainer
