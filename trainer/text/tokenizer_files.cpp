#include "text/tokenizer_files.hpp"

#include <algorithm>
#include <sstream>

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr char kTokenizer[] = "tokenizer.json";
constexpr char kTokenizerConfig[] = "tokenizer_config.json";
constexpr char kVocabulary[] = "vocab.txt";
constexpr char kSpecial[] = "special_tokens_map.json";
constexpr char kSentence[] = "sentence_bert_config.json";

/// Reads one tokenizer; the files' words for what is set, as Hugging Face's fast tokenizers take them: tokenizer.json,
/// then what tokenizer_config.json says otherwise.
class Reader {
  public:
    Reader(ModelFolder& folder, std::int64_t positions) : folder_(folder), positions_(positions) {}

    WordPiece read() {
        const json whole = folder_.json_if_there(kTokenizer);
        if (whole.is_object())
            take_tokenizer(whole);
        else
            take_lines();
        take_special(folder_.json_if_there(kSpecial), kSpecial);
        take_config(folder_.json_if_there(kTokenizerConfig), whole.is_object());
        take_sentence(folder_.json_if_there(kSentence));
        settings_.max_tokens = std::clamp<std::int64_t>(settings_.max_tokens, 3, positions_);
        try {
            return {vocabulary_, settings_};
        } catch (const Error& error) {
            folder_.fail(error.sqlstate.c_str(), whole.is_object() ? kTokenizer : kVocabulary, error.what());
        }
    }

  private:
    [[noreturn]] void refuse(const std::string& what, const json& type) const {
        folder_.fail(sqlstate::kFeatureNotSupported, kTokenizer,
                     "the language model has a " + what + " that seqrec does not know: " +
                         (type.is_string() ? type.get<std::string>() : type.dump()));
    }

    /// The part `key` of tokenizer.json; null when it says none.
    static json part(const json& whole, const char* key) {
        return whole.contains(key) && whole.at(key).is_object() ? whole.at(key) : json();
    }

    void expect_type(const std::string& what, const json& object, const char* type) const {
        if (object.is_object() && object.value("type", json(type)) != type) refuse(what, object.at("type"));
    }

    void take_tokenizer(const json& whole) {
        const json model = part(whole, "model");
        if (!model.is_object() || !part(model, "vocab").is_object()) {
            if (model.is_object()) expect_type("tokenizer", model, "WordPiece");
            folder_.fail(sqlstate::kDataCorrupted, kTokenizer,
                         "the language model's vocabulary is not there");
        }
        expect_type("tokenizer", model, "WordPiece");
        expect_type("pre-tokenizer", part(whole, "pre_tokenizer"), "BertPreTokenizer");
        take_normalizer(part(whole, "normalizer"));
        take_vocabulary(model.at("vocab"));
        settings_.unknown = text(model, "unk_token", settings_.unknown);
        settings_.prefix = text(model, "continuing_subword_prefix", settings_.prefix);
        settings_.longest_word = number(model, "max_input_chars_per_word", settings_.longest_word);
        settings_.max_tokens = number(part(whole, "truncation"), "max_length", positions_);
    }

    void take_normalizer(const json& normalizer) {
        WordRules& rules = settings_.rules;
        if (!normalizer.is_object()) {
            rules = {false, false, false, false};
            return;
        }
        expect_type("normalizer", normalizer, "BertNormalizer");
        rules.clean_text = flag(kTokenizer, normalizer, "clean_text", true);
        rules.handle_chinese_chars = flag(kTokenizer, normalizer, "handle_chinese_chars", true);
        rules.lowercase = flag(kTokenizer, normalizer, "lowercase", true);
        take_strip_accents(kTokenizer, normalizer);
    }

    /// null means that accents go with capitals.
    void take_strip_accents(const char* file, const json& object) {
        if (!object.contains("strip_accents")) return;
        settings_.rules.strip_accents.reset();
        if (!object.at("strip_accents").is_null())
            settings_.rules.strip_accents = flag(file, object, "strip_accents", false);
    }

    void take_vocabulary(const json& vocabulary) {
        vocabulary_.reserve(vocabulary.size());
        for (const auto& [token, id] : vocabulary.items()) {
            if (!id.is_number_unsigned() || id.get<std::uint64_t>() > 100'000'000)
                folder_.fail(sqlstate::kDataCorrupted, kTokenizer,
                             "the token \"" + token + "\" has no number");
            vocabulary_.emplace_back(token, id.get<std::int32_t>());
        }
    }

    void take_lines() {
        settings_.max_tokens = positions_;
        if (!folder_.has(kVocabulary))
            folder_.fail(
                sqlstate::kIo, kVocabulary,
                "the language model has no vocabulary: neither vocab.txt nor tokenizer.json is there");
        std::istringstream lines(folder_.bytes(kVocabulary));
        for (std::string line; std::getline(lines, line);) {
            if (line.ends_with('\r')) line.pop_back();
            vocabulary_.emplace_back(line, static_cast<std::int32_t>(vocabulary_.size()));
        }
    }

    /// A special token is named by its text, or by an object with it.
    void take_special(const json& object, const char* file) {
        const auto name = [&](const char* key, std::string& to) {
            if (!object.is_object() || !object.contains(key)) return;
            const json& given = object.at(key);
            if (given.is_object())
                to = member(folder_, file, given, "content", to);
            else
                to = member(folder_, file, object, key, to);
        };
        name("unk_token", settings_.unknown);
        name("cls_token", settings_.begin);
        name("sep_token", settings_.end);
    }

    /// Without tokenizer.json, a vocabulary may be meant for words of another kind, such as MeCab's.
    void expect_class(const json& config) const {
        const std::string name =
            member<std::string>(folder_, kTokenizerConfig, config, "tokenizer_class", "BertTokenizer");
        if (!name.ends_with("BertTokenizer") && !name.ends_with("BertTokenizerFast"))
            folder_.fail(sqlstate::kFeatureNotSupported, kTokenizerConfig,
                         "the language model has a tokenizer that seqrec does not know: " + name);
    }

    void take_config(const json& config, bool whole) {
        if (!config.is_object()) return;
        if (!whole) expect_class(config);
        take_special(config, kTokenizerConfig);
        WordRules& rules = settings_.rules;
        rules.lowercase = flag(kTokenizerConfig, config, "do_lower_case", rules.lowercase);
        rules.handle_chinese_chars =
            flag(kTokenizerConfig, config, "tokenize_chinese_chars", rules.handle_chinese_chars);
        take_strip_accents(kTokenizerConfig, config);
        // "no limit" is 1e30 there
        const double most = member<double>(folder_, kTokenizerConfig, config, "model_max_length", 0);
        if (most >= 1) settings_.max_tokens = static_cast<std::int64_t>(std::min(most, double(positions_)));
    }

    void take_sentence(const json& sentence) {
        settings_.rules.lowercase_first = flag(kSentence, sentence, "do_lower_case", false);
        settings_.max_tokens =
            member<std::int64_t>(folder_, kSentence, sentence, "max_seq_length", settings_.max_tokens);
    }

    bool flag(const char* file, const json& object, const char* key, bool missing) const {
        return member(folder_, file, object, key, missing);
    }
    std::string text(const json& object, const char* key, const std::string& missing) const {
        return member(folder_, kTokenizer, object, key, missing);
    }
    std::int64_t number(const json& object, const char* key, std::int64_t missing) const {
        return member(folder_, kTokenizer, object, key, missing);
    }

    ModelFolder& folder_;
    std::int64_t positions_;
    WordPieceSettings settings_;
    Vocabulary vocabulary_;
};

}  // namespace

WordPiece read_tokenizer(ModelFolder& folder, std::int64_t positions) {
    return Reader(folder, positions).read();
}

}  // namespace seqrec::trainer
