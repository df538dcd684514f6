// WordPiece against published cases: google-research/bert tokenization_test.py and huggingface/transformers
// tests/models/bert/test_tokenization_bert.py (Apache 2.0), llama.cpp models/ggml-vocab-bert-bge.gguf.inp (MIT).
#include "text/wordpiece.hpp"

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "text/characters.hpp"
#include "text/model_folders.hpp"

namespace seqrec::trainer {
namespace {

using Ids = std::vector<std::int32_t>;
using Words = std::vector<std::string>;

Vocabulary numbered(const std::vector<std::string>& words) {
    Vocabulary vocabulary;
    for (const std::string& word : words)
        vocabulary.emplace_back(word, static_cast<std::int32_t>(vocabulary.size()));
    return vocabulary;
}

const WordPiece& eleven() {
    static const WordPiece tokenizer(numbered(testing::kElevenWords), {});
    return tokenizer;
}

WordRules cased() { return {.lowercase = false}; }
WordRules accents(bool lowercase, bool strip) { return {.lowercase = lowercase, .strip_accents = strip}; }

TEST(WordPiece, ElevenWords) {
    EXPECT_EQ(eleven().pieces("UNwant\u00E9d,running"), (Ids{7, 4, 5, 10, 8, 9}));
    EXPECT_EQ(eleven().pieces("unwanted running"), (Ids{7, 4, 5, 8, 9}));
    EXPECT_EQ(eleven().pieces("unwantedX running"), (Ids{0, 8, 9}));
    EXPECT_EQ(eleven().pieces(""), Ids{});
}

TEST(WordPiece, ElevenWordsInAnotherOrder) {
    const WordPiece tokenizer(numbered({"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "want", "##want",
                                        "##ed", "wa", "un", "runn", "##ing", ",", "low", "lowest"}),
                              {});
    EXPECT_EQ(tokenizer.pieces("UNwant\u00E9d,running"), (Ids{9, 6, 7, 12, 10, 11}));
    EXPECT_EQ(tokenizer.pieces("lowest low"), (Ids{14, 13}));
}

TEST(BertWords, ChineseCharactersStandAlone) {
    EXPECT_EQ(bert_words("ah\u535A\u63A8zz", {}), (Words{"ah", "\u535A", "\u63A8", "zz"}));
    EXPECT_EQ(bert_words("ah\u535A\u63A8zz", {.handle_chinese_chars = false}), (Words{"ah\u535A\u63A8zz"}));
    EXPECT_EQ(bert_words("ひらがな カタカナ 한국어", {.strip_accents = false}),
              (Words{"ひらがな", "カタカナ", "한국어"}));
}

TEST(BertWords, Lower) {
    const char* text = " \tHeLLo!how  \n Are yoU?  ";
    EXPECT_EQ(bert_words(text, {}), (Words{"hello", "!", "how", "are", "you", "?"}));
    EXPECT_EQ(bert_words(text, cased()), (Words{"HeLLo", "!", "how", "Are", "yoU", "?"}));
    EXPECT_EQ(bert_words("H\u00E9llo", {}), (Words{"hello"}));
    EXPECT_EQ(bert_words("H\u00E9llo", cased()), (Words{"H\u00E9llo"}));
}

TEST(BertWords, AccentsFollowCapitalsUnlessToldOtherwise) {
    const char* text = " \tHäLLo!how  \n Are yoU?  ";
    EXPECT_EQ(bert_words(text, accents(true, false)), (Words{"hällo", "!", "how", "are", "you", "?"}));
    EXPECT_EQ(bert_words("H\u00E9llo", accents(true, false)), (Words{"h\u00E9llo"}));
    EXPECT_EQ(bert_words(text, accents(true, true)), (Words{"hallo", "!", "how", "are", "you", "?"}));
    EXPECT_EQ(bert_words(text, accents(false, false)), (Words{"HäLLo", "!", "how", "Are", "yoU", "?"}));
    EXPECT_EQ(bert_words(text, accents(false, true)), (Words{"HaLLo", "!", "how", "Are", "yoU", "?"}));
}

TEST(BertWords, LowerCaseOfSingleLetters) {
    EXPECT_EQ(bert_words("ΣΟΦΟΣ", accents(true, false)), (Words{"σοφοσ"}));  // no rule for a word's end
    EXPECT_EQ(bert_words("İ", accents(true, false)), (Words{"i\u0307"}));
    EXPECT_EQ(bert_words("İ", {}), (Words{"i"}));
    EXPECT_EQ(bert_words("ẞ", {}), (Words{"ß"}));
}

TEST(BertWords, SplitsOnPunctuation) {
    EXPECT_EQ(bert_words("a\n'll !!to?'d of, can't.", {}),
              (Words{"a", "'", "ll", "!", "!", "to", "?", "'", "d", "of", ",", "can", "'", "t", "."}));
    EXPECT_EQ(bert_words("a^b`c$d", {}), (Words{"a", "^", "b", "`", "c", "$", "d"}));
    EXPECT_EQ(bert_words("我，你。", {}), (Words{"我", "，", "你", "。"}));
    EXPECT_EQ(bert_words("5€", {}), (Words{"5€"}));  // a symbol, which is not punctuation
}

TEST(BertWords, RemovesWhatCannotBeSeen) {
    EXPECT_EQ(bert_words("\u200E\u200F", {}), Words{});
    EXPECT_EQ(bert_words("\u200E\u200F", {.clean_text = false}), (Words{"\u200E\u200F"}));
    EXPECT_EQ(bert_words("\u00AD", {}), Words{});
    EXPECT_EQ(bert_words("hy\u00ADphen", {}), (Words{"hyphen"}));
    EXPECT_EQ(bert_words(std::string_view("a\0b\x05"
                                          "c\uFFFD",
                                          8),
                         {}),
              (Words{"abc"}));
    EXPECT_EQ(bert_words("a\tb\u00A0c\u3000d\r\ne\u2028f", {}), (Words{"a", "b", "c", "d", "e", "f"}));
}

TEST(BertWords, BytesThatAreNoUtf8AreRemoved) {
    EXPECT_EQ(bert_words("a\xFF\xC3", {}), (Words{"a"}));
    EXPECT_EQ(bert_words("\xED\xA0\x80z", {}), (Words{"z"}));
}

TEST(Characters, KindsOfCharacters) {
    for (const char32_t c : U" \t\r\n\u00A0") EXPECT_TRUE(c == 0 || is_space(c)) << std::uint32_t{c};
    for (const char32_t c : U"A-") EXPECT_FALSE(is_space(c)) << std::uint32_t{c};
    EXPECT_TRUE(is_control(U'\u0005'));
    EXPECT_TRUE(is_control(U'\uE000'));
    for (const char32_t c : {U'A', U' ', U'\t', U'\r'}) EXPECT_FALSE(is_control(c)) << std::uint32_t{c};
    for (const char32_t c : {U'-', U'$', U'`', U'.', U'、'})
        EXPECT_TRUE(is_punctuation(c)) << std::uint32_t{c};
    for (const char32_t c : {U'A', U' ', U'0'}) EXPECT_FALSE(is_punctuation(c)) << std::uint32_t{c};
    for (const char32_t c : {U'\u4E00', U'\u9FFF', U'\u3400', U'\U00020000', U'\uF900'})
        EXPECT_TRUE(is_ideograph(c));
    for (const char32_t c : {U'\u3042', U'\uAC00', U'\u33FF', U'\uA000'}) EXPECT_FALSE(is_ideograph(c));
}

TEST(WordPiece, BeginAndEndStayWhenATextIsCut) {
    const WordPiece tokenizer(numbered(testing::kElevenWords), {.max_tokens = 5});
    EXPECT_EQ(tokenizer.ids("want"), (Ids{1, 3, 2}));
    EXPECT_EQ(tokenizer.ids("unwanted running"), (Ids{1, 7, 4, 5, 2}));
    EXPECT_EQ(tokenizer.ids(" \n "), Ids{});
}

TEST(WordPiece, LongWordsAreUnknown) {
    const WordPiece tokenizer(numbered({"[UNK]", "[CLS]", "[SEP]", "é", "##é"}),
                              {.rules = {.strip_accents = false}, .longest_word = 3});
    EXPECT_EQ(tokenizer.pieces("ééé"), (Ids{3, 4, 4}));  // characters are counted, not bytes
    EXPECT_EQ(tokenizer.pieces("éééé"), Ids{0});
}

TEST(WordPiece, SpecialTokensMustBeThere) {
    std::string message;
    EXPECT_EQ(seqrec::testing::error_of(
                  [] {
                      WordPiece(numbered({"[UNK]", "[CLS]"}), {});
                  },
                  &message),
              "XX001");
    EXPECT_NE(message.find("[SEP]"), std::string::npos) << message;
    const WordPiece other(numbered({"<s>", "</s>", "<unk>"}),
                          {.unknown = "<unk>", .begin = "<s>", .end = "</s>"});
    EXPECT_EQ(other.ids("x"), (Ids{0, 2, 1}));
}

struct Case {
    std::string text, ids;
};

/// Of llama.cpp's models/ggml-vocab-bert-bge.gguf.inp and .out, for the vocabulary of bert-base-uncased.
const std::vector<Case> kLlamaCases = {
    {"ied 4 ½ months", "29464 2094 1018 1092 2706"},
    {"Führer", "11865 17875"},
    {"", ""},
    {" ", ""},
    {"  ", ""},
    {"   ", ""},
    {"\t", ""},
    {"\n", ""},
    {"\n\n", ""},
    {"\n\n\n", ""},
    {"\t\n", ""},
    {"Hello world", "7592 2088"},
    {" Hello world", "7592 2088"},
    {"Hello World", "7592 2088"},
    {" Hello World", "7592 2088"},
    {" Hello World!", "7592 2088 999"},
    {"Hello, world!", "7592 1010 2088 999"},
    {" Hello, world!", "7592 1010 2088 999"},
    {" this is 🦙.cpp", "2023 2003 100 1012 18133 2361"},
    {"w048 7tuijk dsdfhu", "1059 2692 18139 1021 8525 28418 2243 16233 20952 6979"},
    {"нещо на Български",
     "1192 15290 29754 14150 1192 10260 1181 29755 29436 29741 10260 16856 29747 23925 10325"},
    {"កាន់តែពិសេសអាចខលចេញ", "100"},
    {"🚀 (normal) 😶‍🌫️ (multiple emojis concatenated) ✅ (only emoji that has its own token)",
     "100 1006 3671 1007 100 1006 3674 7861 29147 2483 9530 16280 23854 1007 100 1006 2069 7861 29147 2072 "
     "2008 2038 2049 "
     "2219 19204 1007"},
    {"Hello", "7592"},
    {" Hello", "7592"},
    {"  Hello", "7592"},
    {"   Hello", "7592"},
    {"    Hello", "7592"},
    {"    Hello\n    Hello", "7592 7592"},
    {" (", "1006"},
    {"\n =", "1027"},
    {"' era", "1005 3690"},
    {"Hello, y'all! How are you 😁 ?我想在apple工作1314151天～",
     "7592 1010 1061 1005 2035 999 2129 2024 2017 100 1029 1855 100 100 6207 100 100 14677 23632 22203 1811 "
     "1995"},
    {"3", "1017"},
    {"33", "3943"},
    {"333", "21211"},
    {"3333", "21211 2509"},
    {"33333", "21211 22394"},
    {"333333", "21211 22394 2509"},
    {"3333333", "21211 22394 22394"},
    {"33333333", "21211 22394 22394 2509"},
    {"333333333", "21211 22394 22394 22394"},
    {"\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶‍🌫️ (multiple emojis "
     "concatenated) "
     "✅ 🦙🦙 3 33 333 3333 "
     "33333 333333 3333333 33333333 3.3 3..3 3...3 កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------======= "
     "нещо на "
     "Български ''''''```````\"\"\"\""
     ""
     "......!!!!!!?????? I've been 'told he's there, 'RE you sure? 'M not sure I'll make "
     "it, 'D you like some tea? We'Ve a'lL",
     "100 1006 3671 1007 100 1006 3674 7861 29147 2483 9530 16280 23854 1007 100 100 1017 3943 21211 21211 "
     "2509 21211 "
     "22394 21211 22394 2509 21211 22394 22394 21211 22394 22394 2509 1017 1012 1017 1017 1012 1012 1017 "
     "1017 1012 1012 "
     "1012 1017 100 1029 1855 100 100 6207 100 100 14677 23632 22203 1811 1995 1011 1011 1011 1011 1011 1011 "
     "1027 1027 "
     "1027 1027 1027 1027 1027 1192 15290 29754 14150 1192 10260 1181 29755 29436 29741 10260 16856 29747 "
     "23925 10325 1005 "
     "1005 1005 1005 1005 1005 1036 1036 1036 1036 1036 1036 1036 1000 1000 1000 1000 1012 1012 1012 1012 "
     "1012 1012 999 "
     "999 999 999 999 999 1029 1029 1029 1029 1029 1029 1045 1005 2310 2042 1005 2409 2002 1005 1055 2045 "
     "1010 1005 2128 "
     "2017 2469 1029 1005 1049 2025 2469 1045 1005 2222 2191 2009 1010 1005 1040 2017 2066 2070 5572 1029 "
     "2057 1005 2310 "
     "1037 1005 2222"},
};

std::string joined(const Ids& ids) {
    std::string text;
    for (const std::int32_t id : ids) text.append(text.empty() ? "" : " ").append(std::to_string(id));
    return text;
}

TEST(WordPiece, LlamaCppsCases) {
    const char* file = std::getenv("SEQREC_BERT_VOCAB");
    if (!file) {
        std::cerr << "SKIPPED: llama.cpp's " << kLlamaCases.size()
                  << " cases need SEQREC_BERT_VOCAB, the vocab.txt of bert-base-uncased\n";
        GTEST_SKIP();
    }
    Vocabulary vocabulary;
    std::istringstream text(seqrec::testing::read_file(file));
    for (std::string line; std::getline(text, line);)
        vocabulary.emplace_back(line, static_cast<std::int32_t>(vocabulary.size()));
    const WordPiece tokenizer(vocabulary, {});
    for (const auto& [asked, wanted] : kLlamaCases)
        EXPECT_EQ(joined(tokenizer.pieces(asked)), wanted) << asked;
}

}  // namespace
}  // namespace seqrec::trainer
