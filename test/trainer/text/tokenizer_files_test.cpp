// What the files of a folder say of its tokenizer, and what they may not say.
#include "text/tokenizer_files.hpp"

#include "text/model_folders.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::error_of;
using testing::kElevenWords;
using testing::lines;
using testing::ModelFolderFixture;

class TokenizerFiles : public ::testing::Test {
  protected:
    WordPiece read(std::int64_t positions = 512) const {
        ModelFolder opened(files.folder / ".");
        return read_tokenizer(opened, positions);
    }
    std::string error(std::string* message) const {
        return error_of([&] { (void)read(); }, message);
    }
    void vocabulary() const { testing::write_file(files.folder / "vocab.txt", lines(kElevenWords)); }
    json tokenizer() const {
        json vocab = json::object();
        for (std::size_t i = 0; i < kElevenWords.size(); ++i) vocab[kElevenWords[i]] = i;
        return {
            {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", false}, {"strip_accents", nullptr}}},
            {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
            {"model", {{"type", "WordPiece"}, {"vocab", vocab}}}};
    }
    ModelFolderFixture files;
};

TEST_F(TokenizerFiles, DefaultsAreHuggingFaces) {
    vocabulary();
    const WordPieceSettings settings = read().settings();
    EXPECT_TRUE(settings.rules.lowercase);
    EXPECT_TRUE(settings.rules.clean_text);
    EXPECT_TRUE(settings.rules.handle_chinese_chars);
    EXPECT_FALSE(settings.rules.strip_accents.has_value());
    EXPECT_EQ(settings.max_tokens, 512);
    EXPECT_EQ(read().pieces("UNwant\u00E9d,running"), (std::vector<std::int32_t>{7, 4, 5, 10, 8, 9}));
}

TEST_F(TokenizerFiles, WindowsLineEndsAreNoPartOfATokens) {
    std::string text;
    for (const std::string& word : kElevenWords) text.append(word).append("\r\n");
    testing::write_file(files.folder / "vocab.txt", text);
    EXPECT_EQ(read().pieces("unwanted"), (std::vector<std::int32_t>{7, 4, 5}));
}

TEST_F(TokenizerFiles, TokenizerJsonIsReadAndItsConfigHasTheLastWord) {
    files.write_json("tokenizer.json", tokenizer());
    EXPECT_FALSE(read().settings().rules.lowercase);
    EXPECT_EQ(read().pieces("unwanted UNwanted"), (std::vector<std::int32_t>{7, 4, 5, 0}));
    files.write_json("tokenizer_config.json",
                     {{"do_lower_case", true}, {"strip_accents", false}, {"tokenize_chinese_chars", false}});
    const WordRules rules = read().settings().rules;
    EXPECT_TRUE(rules.lowercase);
    EXPECT_EQ(rules.strip_accents, false);
    EXPECT_FALSE(rules.handle_chinese_chars);
}

TEST_F(TokenizerFiles, LengthsOfSeveralFiles) {
    json whole = tokenizer();
    whole["truncation"] = {{"max_length", 128}};
    files.write_json("tokenizer.json", whole);
    EXPECT_EQ(read().settings().max_tokens, 128);
    files.write_json("tokenizer_config.json", {{"model_max_length", 1e30}});
    EXPECT_EQ(read().settings().max_tokens, 512);
    files.write_json("sentence_bert_config.json", {{"max_seq_length", 256}, {"do_lower_case", false}});
    EXPECT_EQ(read().settings().max_tokens, 256);
    EXPECT_EQ(read(100).settings().max_tokens, 100);  // no more than the model has positions
}

TEST_F(TokenizerFiles, SpecialTokensByTheirNames) {
    testing::write_file(files.folder / "vocab.txt", "<s>\n</s>\n<unk>\na\n");
    files.write_json("special_tokens_map.json", {{"cls_token", "<s>"}, {"sep_token", {{"content", "</s>"}}}});
    files.write_json("tokenizer_config.json", {{"unk_token", "<unk>"}});
    EXPECT_EQ(read().ids("a b"), (std::vector<std::int32_t>{0, 3, 2, 1}));
}

TEST_F(TokenizerFiles, WithoutAVocabulary) {
    std::string message;
    EXPECT_EQ(error(&message), "58030");
    EXPECT_NE(message.find("vocab.txt"), std::string::npos) << message;
}

TEST_F(TokenizerFiles, OtherTokenizersAreRefusedByName) {
    std::string message;
    json other = tokenizer();
    other["model"]["type"] = "Unigram";
    files.write_json("tokenizer.json", other);
    EXPECT_EQ(error(&message), "0A000");
    EXPECT_NE(message.find("Unigram"), std::string::npos) << message;
    other = tokenizer();
    other["normalizer"] = {{"type", "Sequence"}};
    files.write_json("tokenizer.json", other);
    EXPECT_EQ(error(&message), "0A000");
    EXPECT_NE(message.find("Sequence"), std::string::npos) << message;
    other = tokenizer();
    other["pre_tokenizer"]["type"] = "ByteLevel";
    files.write_json("tokenizer.json", other);
    EXPECT_EQ(error(&message), "0A000");
}

TEST_F(TokenizerFiles, ClassesThatCutWordsInAnotherWay) {
    vocabulary();
    files.write_json("tokenizer_config.json", {{"tokenizer_class", "BertJapaneseTokenizer"}});
    std::string message;
    EXPECT_EQ(error(&message), "0A000");
    EXPECT_NE(message.find("BertJapaneseTokenizer"), std::string::npos) << message;
    files.write_json("tokenizer_config.json", {{"tokenizer_class", "BertTokenizer"}});
    EXPECT_EQ(error(&message), "");
}

TEST_F(TokenizerFiles, BrokenFilesAreNamed) {
    std::string message;
    testing::write_file(files.folder / "tokenizer.json", tokenizer().dump().substr(0, 100));
    EXPECT_EQ(error(&message), "XX001");
    EXPECT_NE(message.find("tokenizer.json"), std::string::npos) << message;
    json wrong = tokenizer();
    wrong["model"]["vocab"]["want"] = -3;
    files.write_json("tokenizer.json", wrong);
    EXPECT_EQ(error(&message), "XX001");
    wrong = tokenizer();
    wrong["model"].erase("vocab");
    files.write_json("tokenizer.json", wrong);
    EXPECT_EQ(error(&message), "XX001");
    wrong = tokenizer();
    wrong["normalizer"]["lowercase"] = "yes";
    files.write_json("tokenizer.json", wrong);
    EXPECT_EQ(error(&message), "XX001");
    EXPECT_NE(message.find("lowercase"), std::string::npos) << message;
}

}  // namespace
}  // namespace seqrec::trainer
