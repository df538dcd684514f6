// The `encode` command: requests in, vectors out, and what it says of bad ones.
#include "run/encode_command.hpp"

#include "core/kinds/transformer.hpp"
#include "files/model_file.hpp"
#include "kinds/trainer_kind.hpp"
#include "kinds/transformer/transformer_weights.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::TempFolder;

struct Encoded {
    int status;
    std::string output, errors;
};

Encoded encode(const std::string& model, const std::string& requests) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int status = run_encode(model, requests);
    return {status, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()};
}

/// A model file of random weights, and a file of requests.
struct Files {
    TempFolder folder;
    Files() {
        const testing::Shop shop({{0, 1, 2}, {2, 1}}, 3);
        const Settings settings(testing::small_options({{"max_len", 10}}), shop.data, nullptr);
        Random random(1);
        const TransformerWeights weights({{Transformer(settings, 3, random), at::ones({2, 8})}});
        write_model(folder / "model", {kTransformer, settings.to_json(), json::object()}, weights, shop.data,
                    nullptr);
    }
    Encoded ask(const std::string& requests) const {
        seqrec::testing::write_file(folder / "requests", requests);
        return encode(folder / "model", folder / "requests");
    }
};

TEST(EncodeCommand, AnswersEachRequest) {
    const Files files;
    const Encoded encoded = files.ask(
        R"([{"clicks": [0, 2], "user": -1}, {"clicks": [], "user": 1}, {"clicks": [], "user": -1}])");
    ASSERT_EQ(encoded.status, 0) << encoded.errors;
    const json vectors = json::parse(encoded.output);
    ASSERT_EQ(vectors.size(), 3U);
    const auto weights = read_weights(SafetensorsFile::open(files.folder / "model"));
    const std::vector<std::int32_t> clicks{0, 2};
    const at::Tensor wanted = weights->encode({clicks, {}, {}}, {-1, 1, -1});
    for (std::size_t q = 0; q < 3; ++q) {
        ASSERT_EQ(vectors[q].size(), 8U);
        for (std::size_t d = 0; d < 8; ++d)
            EXPECT_NEAR(vectors[q][d].get<float>(),
                        wanted[static_cast<std::int64_t>(q)][static_cast<std::int64_t>(d)].item<float>(),
                        1e-6);
    }
    EXPECT_EQ(files.ask("[]").output, "[]\n");
}

TEST(EncodeCommand, SaysWhatItCannotRead) {
    const Files files;
    for (const char* requests : {"", "{", R"([{"user": 1}])", R"([{"clicks": "a", "user": 1}])"}) {
        const Encoded encoded = files.ask(requests);
        EXPECT_NE(encoded.status, 0) << requests;
        EXPECT_FALSE(encoded.errors.empty()) << requests;
        EXPECT_TRUE(encoded.output.empty()) << requests;
    }
    EXPECT_NE(encode(files.folder / "nowhere", files.folder / "requests").status, 0);
}

}  // namespace
}  // namespace seqrec::trainer
