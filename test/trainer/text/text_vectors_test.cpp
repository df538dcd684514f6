// Vectors of a dataset's texts: equal texts once, and those of an earlier file again.
#include "text/text_vectors.hpp"

#include <atomic>
#include <nlohmann/json.hpp>

#include "testing.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::error_of;
using seqrec::testing::TempFolder;
using Texts = std::vector<std::string>;

/// A text's vector is its length and its first byte; it counts what it is asked.
class Counting : public TextEncoder {
  public:
    explicit Counting(std::string name = "counting", bool fallback = false)
        : name_(std::move(name)), fallback_(fallback) {}
    std::string fingerprint() const override { return name_; }
    bool is_fallback() const override { return fallback_; }
    std::int64_t width() const override { return 2; }
    at::Tensor encode(std::span<const std::string_view> texts, Workers&,
                      const std::function<void(double)>&) const override {
        asked += static_cast<int>(texts.size());
        at::Tensor result = at::zeros({static_cast<std::int64_t>(texts.size()), 2});
        for (std::size_t i = 0; i < texts.size(); ++i) {
            if (texts[i].empty()) continue;
            result[static_cast<std::int64_t>(i)][0] = static_cast<float>(texts[i].size());
            result[static_cast<std::int64_t>(i)][1] = static_cast<float>(texts[i][0]);
        }
        return result;
    }
    mutable std::atomic<int> asked{0};

  private:
    std::string name_;
    bool fallback_;
};

class TextVectorsTest : public ::testing::Test {
  protected:
    SafetensorsFile dataset(const Texts& texts) const {
        std::vector<std::int64_t> offsets{0};
        std::string bytes;
        for (const std::string& text : texts) {
            bytes += text;
            offsets.push_back(static_cast<std::int64_t>(bytes.size()));
        }
        return dataset(offsets, bytes);
    }
    SafetensorsFile dataset(const std::vector<std::int64_t>& offsets, const std::string& bytes) const {
        std::vector<std::uint8_t> values(bytes.begin(), bytes.end());
        write_tensors(folder / "dataset", {},
                      {{"item.text.offsets", at::tensor(offsets, at::kLong)},
                       {"item.text.bytes", at::tensor(values, at::kByte)}});
        return SafetensorsFile::open(folder / "dataset");
    }
    /// A model file that keeps what `vectors` says, of an encoder of this name.
    SafetensorsFile model(const TextVectors& vectors, const std::string& encoder) const {
        const nlohmann::json config = {{"content", {{"text", {{"encoder", encoder}}}}}};
        write_tensors(folder / "model", {{"config", config.dump()}}, vectors.kept);
        return SafetensorsFile::open(folder / "model");
    }
    TextVectors made(const Texts& texts, const TextEncoder& encoder,
                     const SafetensorsFile* earlier = nullptr) {
        return text_vectors(dataset(texts), static_cast<std::int64_t>(texts.size()), encoder, earlier,
                            workers, {});
    }
    TempFolder folder;
    Workers workers{1};
};

TEST_F(TextVectorsTest, EqualTextsAreEncodedOnce) {
    const Counting encoder;
    const TextVectors vectors = made({"tent", "lamp", "tent", "", "tent"}, encoder);
    EXPECT_EQ(encoder.asked, 3);
    EXPECT_EQ(vectors.encoded, 3);
    EXPECT_EQ(vectors.taken_over, 0);
    EXPECT_TRUE(
        at::equal(vectors.vectors,
                  at::tensor({4.f, 116.f, 4.f, 108.f, 4.f, 116.f, 0.f, 0.f, 4.f, 116.f}).reshape({5, 2})));
    ASSERT_EQ(vectors.kept.size(), 2U);
    EXPECT_EQ(vectors.kept[0].name, "item.text.hash");
    EXPECT_EQ(vectors.kept[0].tensor.size(0), 5);
    EXPECT_EQ(vectors.kept[1].name, "item.text.vector");
}

TEST_F(TextVectorsTest, OnlyNewAndChangedTextsAreEncodedAgain) {
    const Counting encoder;
    const SafetensorsFile earlier = model(made({"tent", "lamp", "boot"}, encoder), "counting");
    encoder.asked = 0;
    const TextVectors vectors =
        made({"scarf", "boot", "tent!", "tent"}, encoder, &earlier);  // "lamp" is gone
    EXPECT_EQ(encoder.asked, 2);
    EXPECT_EQ(vectors.encoded, 2);
    EXPECT_EQ(vectors.taken_over, 2);
    EXPECT_TRUE(at::equal(vectors.vectors, made({"scarf", "boot", "tent!", "tent"}, encoder).vectors));
    EXPECT_EQ(vectors.kept[0].tensor.size(0), 4);
    const SafetensorsFile next = model(vectors, "counting");
    EXPECT_EQ(made({"tent!", "scarf"}, encoder, &next).encoded, 0);
    EXPECT_EQ(made({"lamp"}, encoder, &next).encoded, 1);
}

TEST_F(TextVectorsTest, VectorsOfAnotherEncoderAreNotTaken) {
    const Counting encoder;
    const SafetensorsFile other = model(made({"tent"}, encoder), "another");
    EXPECT_EQ(made({"tent"}, encoder, &other).encoded, 1);
    write_tensors(folder / "bare", {}, {{"x", at::ones({1})}});
    const SafetensorsFile bare = SafetensorsFile::open(folder / "bare");
    EXPECT_EQ(made({"tent"}, encoder, &bare).encoded, 1);
    write_tensors(folder / "strange", {{"config", "[1"}}, {{"x", at::ones({1})}});
    const SafetensorsFile strange = SafetensorsFile::open(folder / "strange");
    EXPECT_EQ(made({"tent"}, encoder, &strange).encoded, 1);
}

TEST_F(TextVectorsTest, EarlierVectorsThatDoNotFitAreCorrupted) {
    const Counting encoder;
    TextVectors vectors = made({"tent", "lamp"}, encoder);
    vectors.kept[1].tensor = at::zeros({2, 3});
    const SafetensorsFile wide = model(vectors, "counting");
    EXPECT_EQ(error_of([&] { (void)made({"tent"}, encoder, &wide); }), "XX001");
}

TEST_F(TextVectorsTest, TheFallbackKeepsNothing) {
    const Counting encoder("hashed/1", true);
    const SafetensorsFile earlier = model(made({"tent"}, Counting("hashed/1")), "hashed/1");
    const TextVectors vectors = made({"tent"}, encoder, &earlier);
    EXPECT_TRUE(vectors.kept.empty());
    EXPECT_EQ(vectors.encoded, 1);
}

TEST_F(TextVectorsTest, ADatasetWithoutTexts) {
    write_tensors(folder / "dataset", {}, {{"x", at::ones({1})}});
    const SafetensorsFile data = SafetensorsFile::open(folder / "dataset");
    const TextVectors vectors = text_vectors(data, 3, Counting(), nullptr, workers, {});
    EXPECT_FALSE(vectors.vectors.defined());
    EXPECT_TRUE(vectors.kept.empty());
}

TEST_F(TextVectorsTest, TextsOutsideTheirBytesAreCorrupted) {
    const Counting encoder;
    const std::vector<std::vector<std::int64_t>> wrong = {{0, 5}, {-1, 2}, {3, 2}, {0}, {0, 1, 2}};
    for (const auto& offsets : wrong) {
        const SafetensorsFile data = dataset(offsets, "tent");
        EXPECT_EQ(error_of([&] { (void)text_vectors(data, 1, encoder, nullptr, workers, {}); }), "XX001");
    }
}

}  // namespace
}  // namespace seqrec::trainer
