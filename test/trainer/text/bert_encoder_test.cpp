// Language models in folders: what is read, what is refused, and vectors that don't depend on their company. The vectors
// themselves are held to a forward pass in NumPy by test/integration/text_model_test.py.
#include "text/bert_encoder.hpp"

#include <cstdlib>
#include <iostream>

#include "text/model_folders.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::error_of;
using testing::ModelFolderFixture;
using Views = std::vector<std::string_view>;

at::Tensor encode(const TextEncoder& encoder, const Views& texts, int threads = 1) {
    Workers workers(threads);
    return encoder.encode(texts, workers, {});
}

class BertFolder : public ::testing::Test {
  protected:
    std::string error(std::string* message = nullptr) const {
        return error_of([&] { (void)open_text_encoder(files.folder / "."); }, message);
    }
    void expect_error(const char* state, std::initializer_list<const char*> words) const {
        std::string message;
        EXPECT_EQ(error(&message), state) << message;
        for (const char* word : words)
            EXPECT_NE(message.find(word), std::string::npos) << word << " in " << message;
    }
    ModelFolderFixture files;
};

TEST_F(BertFolder, IsOpened) {
    const auto encoder = open_text_encoder(files.write());
    EXPECT_EQ(encoder->width(), 8);
    EXPECT_FALSE(encoder->is_fallback());
    EXPECT_NE(encoder->notice().find("mean"), std::string::npos) << encoder->notice();
    const at::Tensor vectors = encode(*encoder, {"unwanted running", "", "want"});
    EXPECT_NEAR(vectors[0].norm().item<float>(), 1, 1e-5);
    EXPECT_EQ(vectors[1].abs().sum().item<float>(), 0);
    EXPECT_NEAR(vectors[2].norm().item<float>(), 1, 1e-5);
}

TEST_F(BertFolder, AVectorDoesNotDependOnItsCompanyOrThreads) {
    const auto encoder = open_text_encoder(files.write());
    Views texts;
    for (int i = 0; i < 400; ++i) {
        texts.push_back("want");
        texts.push_back(i % 3 ? "unwanted, running wa" : "running");
    }
    const at::Tensor together = encode(*encoder, texts, 2);
    for (const std::int64_t row : {0, 1, 3, 799}) {
        const at::Tensor alone = encode(*encoder, {texts[static_cast<std::size_t>(row)]});
        EXPECT_LT((together[row] - alone[0]).abs().max().item<float>(), 1e-6) << row;
    }
    EXPECT_GT((together[0] - together[1]).abs().max().item<float>(), 1e-3);
}

TEST_F(BertFolder, PollHearsAndMayStop) {
    const auto encoder = open_text_encoder(files.write());
    Workers workers(2);
    const Views texts(2000, "unwanted running");
    double last = 0;
    (void)encoder->encode(texts, workers, [&](double share) {
        EXPECT_GE(share, last);
        last = share;
    });
    EXPECT_GT(last, 0);
    EXPECT_LE(last, 1);
    EXPECT_THROW((void)encoder->encode(texts, workers, [](double) { throw std::runtime_error("stop"); }),
                 std::runtime_error);
}

TEST_F(BertFolder, FingerprintsTellModelsApart) {
    const std::string first = open_text_encoder(files.write())->fingerprint();
    EXPECT_EQ(open_text_encoder(files.write())->fingerprint(), first);
    files.tensors[0].tensor[3][2] += 1;
    EXPECT_NE(open_text_encoder(files.write())->fingerprint(), first);
    files.write_json("tokenizer_config.json", {{"do_lower_case", false}});
    const std::string other = open_text_encoder(files.folder / ".")->fingerprint();
    EXPECT_NE(other, first);
}

TEST_F(BertFolder, NamesMayHaveAPrefixAndBeOld) {
    const at::Tensor wanted = encode(*open_text_encoder(files.write()), {"unwanted running"});
    for (NamedTensor& tensor : files.tensors) {
        tensor.name = "bert." + tensor.name;
        if (const auto at = tensor.name.find("LayerNorm.weight"); at != std::string::npos)
            tensor.name.replace(at, 16, "LayerNorm.gamma");
        if (const auto at = tensor.name.find("LayerNorm.bias"); at != std::string::npos)
            tensor.name.replace(at, 14, "LayerNorm.beta");
    }
    files.tensors.push_back({"bert.pooler.dense.weight", at::zeros({8, 8})});  // of no use here
    const at::Tensor ours = encode(*open_text_encoder(files.write()), {"unwanted running"});
    EXPECT_TRUE(at::equal(ours, wanted));
}

TEST_F(BertFolder, PoolingIsTheModels) {
    files.write();
    files.write_json("1_Pooling/config.json",
                     {{"pooling_mode_cls_token", true}, {"pooling_mode_mean_tokens", false}});
    const json transformer = {{"type", "sentence_transformers.models.Transformer"}, {"path", ""}};
    const json pooling = {{"type", "sentence_transformers.models.Pooling"}, {"path", "1_Pooling"}};
    files.write_json("modules.json", json::array({transformer, pooling}));
    const auto plain = open_text_encoder(files.folder / ".");
    EXPECT_EQ(plain->notice(), "");
    const at::Tensor cls = encode(*plain, {"unwanted running"});
    EXPECT_GT(std::abs(cls.norm().item<float>() - 1), 1e-2);  // not made of unit length
    files.write_json(
        "modules.json",
        json::array({transformer, pooling, {{"type", "sentence_transformers.models.Normalize"}}}));
    const at::Tensor unit = encode(*open_text_encoder(files.folder / "."), {"unwanted running"});
    EXPECT_LT((unit - cls / cls.norm()).abs().max().item<float>(), 1e-6);
    files.write_json("modules.json",
                     json::array({transformer, pooling, {{"type", "sentence_transformers.models.Dense"}}}));
    expect_error("0A000", {"Dense", "modules.json"});
    files.write_json("modules.json", json::array({transformer}));
    expect_error("XX001", {"modules.json"});
    files.write_json("modules.json",
                     json::array({transformer, {{"type", "x.Pooling"}, {"path", "../1_Pooling"}}}));
    expect_error("XX001", {"modules.json"});
    files.write_json("modules.json", json::array({transformer, pooling}));
    files.write_json("1_Pooling/config.json",
                     {{"pooling_mode_mean_tokens", false}, {"pooling_mode_max_tokens", true}});
    expect_error("0A000", {"pooling_mode_max_tokens", "1_Pooling"});
}

TEST_F(BertFolder, OtherArchitecturesAreRefusedByName) {
    const json before = files.config;
    const std::vector<std::pair<const char*, const char*>> others = {
        {"model_type", "roberta"}, {"hidden_act", "silu"}, {"position_embedding_type", "relative_key"}};
    for (const auto& [key, value] : others) {
        files.config = before;
        files.config[key] = value;
        files.write();
        expect_error("0A000", {value, "config.json"});
    }
    files.config = before;
    files.config["is_decoder"] = true;
    files.write();
    expect_error("0A000", {"is_decoder"});
}

TEST_F(BertFolder, AbsurdSizesAreRefusedBeforeMemoryIsAsked) {
    const json before = files.config;
    for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                            "intermediate_size", "max_position_embeddings"})
        for (const json& value :
             {json(0), json(-1), json(1e18), json(std::int64_t{1} << 40), json("many"), json()}) {
            files.config = before;
            files.config[key] = value;
            files.write();
            expect_error("XX001", {key, "config.json"});
        }
    files.config = before;
    files.config["num_attention_heads"] = 3;
    files.write();
    expect_error("XX001", {"config.json"});
    files.config = before;
    files.config["hidden_size"] = 8192;  // a size that there is, but not in this file
    files.config["vocab_size"] = 4000000;
    files.write();
    expect_error("XX001", {"word_embeddings", "[11, 8]", "model.safetensors"});
}

TEST_F(BertFolder, FilesThatAreNotThere) {
    EXPECT_EQ(error_of([] { (void)open_text_encoder("/no/such/folder"); }), "58030");
    expect_error("58030", {"config.json"});
    files.write();
    std::filesystem::remove(files.folder / "vocab.txt");
    expect_error("58030", {"vocab.txt"});
    files.write();
    std::filesystem::remove(files.folder / "model.safetensors");
    expect_error("58030", {"model.safetensors"});
}

TEST_F(BertFolder, FilesThatAreCut) {
    for (const char* name : {"model.safetensors", "config.json"}) {
        files.write();
        const std::string whole = seqrec::testing::read_file(files.folder / name);
        for (const std::size_t size : {std::size_t{0}, std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
            testing::write_file(files.folder / name, whole.substr(0, size));
            expect_error("XX001", {name});
        }
    }
}

TEST_F(BertFolder, EachTensorMustBeThereInItsShape) {
    const std::vector<NamedTensor> before = files.tensors;
    for (std::size_t i = 0; i < before.size(); ++i) {
        files.tensors = before;
        files.tensors.erase(files.tensors.begin() + static_cast<std::ptrdiff_t>(i));
        files.write();
        expect_error("XX001", {"no tensor", "model.safetensors"});
        files.tensors = before;
        files.tensors[i].tensor = at::zeros({7});
        files.write();
        expect_error("XX001", {before[i].name.c_str(), "[7]", "model.safetensors"});
    }
    files.tensors = before;
    files.tensors[0].tensor = at::zeros({11, 8}, at::kLong);
    files.write();
    expect_error("0A000", {"I64", "model.safetensors"});
}

TEST_F(BertFolder, AVocabularyLargerThanTheModelsIsRefused) {
    files.write();
    testing::write_file(files.folder / "vocab.txt", testing::lines(testing::kElevenWords) + "more\n");
    expect_error("XX001", {"11", "vocab_size"});
}

TEST_F(BertFolder, AVocabularyThatIsCutIsRefused) {
    files.write();
    const std::string whole = testing::lines(testing::kElevenWords);
    std::size_t end = 0;
    for (int line = 0; line < 7; ++line) end = whole.find('\n', end) + 1;
    testing::write_file(files.folder / "vocab.txt", whole.substr(0, end));
    expect_error("XX001", {"6", "vocab_size", "vocab.txt"});
}

/// "hello world" by models whose vectors qdrant/fastembed publishes (tests/test_text_onnx_embeddings.py).
TEST(BertEncoder, GoldenVectorsOfARealModel) {
    const char* folder = std::getenv("SEQREC_TEXT_MODEL");
    if (!folder) {
        std::cerr << "SKIPPED: golden vectors need SEQREC_TEXT_MODEL, a folder of all-MiniLM-L6-v2, "
                     "bge-small-en-v1.5 or "
                     "bge-small-zh-v1.5\n";
        GTEST_SKIP();
    }
    const std::vector<std::vector<double>> published = {
        {-.034478, .03102, .00673, .02611, -.039362},
        {.01522374, -.02271799, .00860278, -.07424029, .00386434},
        {-.01023294, .07634465, .0691722, -.04458365, -.03160762}};
    const at::Tensor vector = encode(*open_text_encoder(folder), {"hello world"})[0];
    const double tolerance = kernels::table().bfloat16 ? 1e-2 : 1e-3;
    bool found = false;
    for (const std::vector<double>& wanted : published) {
        double worst = 0;
        for (std::size_t i = 0; i < wanted.size(); ++i)
            worst =
                std::max(worst, std::abs(vector[static_cast<std::int64_t>(i)].item<double>() - wanted[i]));
        found = found || worst < tolerance;
    }
    EXPECT_TRUE(found) << vector.slice(0, 0, 5);
}

}  // namespace
}  // namespace seqrec::trainer
