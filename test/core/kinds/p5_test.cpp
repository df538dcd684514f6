// The encoder of p5 on a small file: what stands before the clicks, and what is no such file. That its numbers are
// the trainer's is held by test/trainer/kinds/.
#include "core/kinds/p5.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "testing.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using testing::error_of;
using testing::TempFolder;

constexpr std::int64_t kItems = 7, kUsers = 4, kDim = 8, kHeads = 2, kLength = 4, kRows = 6;

json column(const char* name, const char* type, int first, int count, int number, int missing) {
    return {{"name", name},     {"type", type}, {"first", first},        {"count", count},
            {"number", number}, {"hashed", 0},  {"missing", missing},    {"mean", 40},
            {"deviation", 10},  {"now", 0},     {"edges", json::array()}};
}

/// What a file holds; change anything, then write().
struct Model {
    std::map<std::string, std::vector<float>> floats;
    std::map<std::string, Shape> shapes;
    std::vector<std::int64_t> user_offsets = {0, 0, 2, 3, 5};
    std::vector<std::int32_t> user_rows = {0, 4, 5, 0, 4};  // 1 and 3: girls of an age; of 2 nothing is known
    std::vector<std::int64_t> value_offsets = {0, 1, 2, 2, 2, 2, 2};
    std::string value_bytes = "fm";
    json config = {
        {"dim", kDim},
        {"layers", 1},
        {"heads", kHeads},
        {"max_len", kLength},
        {"columns", {column("gender", "category", 0, 2, -1, 2), column("age", "number", 3, 0, 4, 5)}}};

    Model() {
        fill("item.embedding", {kItems, kDim});
        fill("click.length", {kItems});
        fill("user.embedding", {kUsers, kDim});
        std::fill_n(floats["user.embedding"].begin(), 3 * kDim, 0.0f);  // user 3 alone has a token of her own
        fill("position.embedding", {kLength, kDim});
        fill("prompt.special", {3, kDim});
        fill("feature.rows", {kRows, kDim});
        fill("head.weight", {kDim, kDim});
        fill("probability.offset", {kDim + 1});
        for (const char* name :
             {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "out.bias", "narrow.bias"})
            fill("block.0." + std::string(name), {kDim});
        fill("block.0.qkv.weight", {3 * kDim, kDim});
        fill("block.0.qkv.bias", {3 * kDim});
        fill("block.0.relative", {kHeads, kLength + kMostPrompt});
        fill("block.0.out.weight", {kDim, kDim});
        fill("block.0.wide.weight", {4 * kDim, kDim});
        fill("block.0.wide.bias", {4 * kDim});
        fill("block.0.narrow.weight", {kDim, 4 * kDim});
        fill("norm.weight", {kDim});
        fill("norm.bias", {kDim});
        floats["feature.user.values"] = {1, 0.5f, 1, 1, 0.5f};
        shapes["feature.user.values"] = {5};
    }

    std::vector<std::byte> packed;  // none: as a model file has it

    /// As a snapshot has them.
    void pack() {
        const auto source = [&](const std::string& name, const Shape&) {
            return std::span<const float>(floats.at(name));
        };
        packed.resize(kP5.packing->size(config.dump(), source));
        kP5.packing->fill(config.dump(), source, packed);
    }

    void write(const std::string& path) const {
        SafetensorsWriter writer;
        if (!packed.empty()) declare<std::uint8_t>(writer, kP5.packing->name().c_str(), packed.size());
        writer.set_metadata("config", config.dump());
        for (const auto& [name, shape] : shapes) writer.declare<float>(name, shape);
        declare<std::int64_t>(writer, "feature.user.offsets", user_offsets.size());
        declare<std::int32_t>(writer, "feature.user.rows", user_rows.size());
        declare<std::int64_t>(writer, "feature.value.offsets", value_offsets.size());
        declare<std::uint8_t>(writer, "feature.value.bytes", value_bytes.size());
        writer.create(path);
        for (const auto& [name, shape] : shapes) {
            const auto to = writer.data<float>(name);
            std::copy_n(floats.at(name).begin(), std::min(to.size(), floats.at(name).size()), to.begin());
        }
        std::ranges::copy(user_offsets, writer.data<std::int64_t>("feature.user.offsets").begin());
        std::ranges::copy(user_rows, writer.data<std::int32_t>("feature.user.rows").begin());
        std::ranges::copy(value_offsets, writer.data<std::int64_t>("feature.value.offsets").begin());
        std::ranges::copy(value_bytes, writer.data<std::uint8_t>("feature.value.bytes").begin());
        if (!packed.empty()) std::ranges::copy(packed, writer.bytes(kP5.packing->name()).begin());
        writer.commit();
    }

  private:
    void fill(const std::string& name, Shape shape) {
        std::vector<float>& all = floats[name];
        std::int64_t count = 1;
        for (const std::int64_t n : shape) count *= n;
        for (std::int64_t i = 0; i < count; ++i) {
            next_ = std::fmod(next_ * 1.7f + 0.3f, 1.0f);
            all.push_back(next_ - 0.5f);
        }
        shapes[name] = std::move(shape);
    }
    template <typename T>
    static void declare(SafetensorsWriter& writer, const char* name, std::size_t length) {
        writer.declare<T>(name, {static_cast<std::int64_t>(length)});
    }

    float next_ = 0.5f;
};

struct Answer {
    std::vector<float> query;
    Encoded encoded;
};

class P5Test : public ::testing::Test {
  protected:
    void open() {
        model_.write(folder_ / "model");
        encoder_.reset();
        file_.emplace(SafetensorsFile::open(folder_ / "model"));
        encoder_.emplace(*file_);
    }
    void SetUp() override { open(); }

    Answer ask(const std::vector<std::int32_t>& clicks, std::int32_t user = -1,
               const json* context = nullptr) const {
        Answer answer{std::vector<float>(kDim), {}};
        answer.encoded = encoder_->encode({clicks, user, context}, answer.query, Precision::Exact);
        return answer;
    }
    static double distance(const Answer& a, const Answer& b) {
        double sum = 0;
        for (std::size_t d = 0; d < kDim; ++d) sum += std::abs(a.query[d] - b.query[d]);
        return sum + std::abs(a.encoded.offset - b.encoded.offset);
    }
    void expect_corrupted(const std::function<void()>& damage) {
        const Model whole = model_;
        damage();
        EXPECT_EQ(error_of([&] { open(); }), sqlstate::kDataCorrupted);
        model_ = whole;
    }

    TempFolder folder_;
    Model model_;
    std::optional<SafetensorsFile> file_;
    std::optional<P5Encoder> encoder_;
};

TEST_F(P5Test, KnowsItsSizes) {
    EXPECT_EQ(encoder_->dim(), kDim);
    EXPECT_EQ(encoder_->reach(), kLength);
    EXPECT_EQ(kP5.form.link, Link::Sigmoid);
}

TEST_F(P5Test, QueriesHaveUnitLengthAndALinearOffset) {
    for (const std::int32_t user : {-1, 0, 1, 3}) {
        const Answer answer = ask({1, 2}, user);
        double squares = 0, offset = model_.floats["probability.offset"][kDim];
        for (std::size_t d = 0; d < kDim; ++d) {
            squares += answer.query[d] * answer.query[d];
            offset += model_.floats["probability.offset"][d] * answer.query[d];
        }
        EXPECT_NEAR(squares, 1, 1e-5);
        EXPECT_NEAR(answer.encoded.offset, offset, 1e-5);
    }
}

TEST_F(P5Test, TheLatestClicksCountAndNoOthers) {
    EXPECT_LT(distance(ask({6, 5, 4, 3, 2, 1}), ask({4, 3, 2, 1})), 1e-6);
    EXPECT_GT(distance(ask({5, 3, 2, 1}), ask({4, 3, 2, 1})), 1e-4);
}

TEST_F(P5Test, APromptSaysWhoAsks) {
    EXPECT_GT(distance(ask({1}, 1), ask({1})), 1e-3) << "features";
    EXPECT_GT(distance(ask({1}, 3), ask({1}, 1)), 1e-3) << "a token of her own";
    EXPECT_GT(distance(ask({1}, 2), ask({1})), 1e-3) << "that nothing is known is a token, too";
    EXPECT_LT(distance(ask({1}, 0), ask({1})), 1e-6) << "neither features nor a token";
}

TEST_F(P5Test, PromptsOfColumnsEndWhereTheyNoLongerPay) {
    const Answer whole = ask({1, 2}, 3);
    model_.config["prompt_until"] = 2;
    open();
    EXPECT_GT(distance(ask({1}, 1), ask({1})), 1e-3);
    EXPECT_LT(distance(ask({1, 2}, 1), ask({1, 2})), 1e-6);
    EXPECT_LT(distance(ask({1, 2}, 3), whole), 1e-6) << "a token of her own";
    EXPECT_TRUE(ask({}, 1).encoded.known);
}

TEST_F(P5Test, AContextDescribesWhoWasNotThere) {
    const json girl = {{"gender", "f"}, {"age", 45}, {"mood", "good"}};
    EXPECT_LT(distance(ask({1}, -1, &girl), ask({1}, 1)), 1e-6);
    EXPECT_LT(distance(ask({}, -1, &girl), ask({}, 1)), 1e-6);
    const json boy = {{"gender", "m"}}, aged = {{"gender", "m"}, {"age", 45}};
    EXPECT_LT(distance(ask({2}, 1, &boy), ask({2}, -1, &aged)), 1e-6) << "the age is still hers";
    EXPECT_EQ(encoder_->unknown_context({{"gender", "x"}, {"mood", 1}}),
              (std::vector<std::string>{"gender", "mood"}));
}

TEST_F(P5Test, OnlyWhoSaysNothingIsUnknown) {
    const json stranger = {{"gender", "x"}}, boy = {{"gender", "m"}};
    EXPECT_FALSE(ask({}).encoded.known);
    EXPECT_FALSE(ask({}, 2).encoded.known);
    EXPECT_FALSE(ask({}, -1, &stranger).encoded.known);
    EXPECT_TRUE(ask({}, -1, &boy).encoded.known);
    EXPECT_TRUE(ask({}, 1).encoded.known);
    EXPECT_TRUE(ask({}, 3).encoded.known);
    EXPECT_TRUE(ask({5}).encoded.known);
}

TEST_F(P5Test, WrongIndexesAreRefused) {
    EXPECT_EQ(error_of([&] { ask({kItems}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { ask({-1}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { ask({}, kUsers); }), sqlstate::kInternal);
}

TEST_F(P5Test, DamagedFilesAreRefused) {
    for (const char* name : {"dim", "layers", "heads", "max_len", "columns"})
        expect_corrupted([&] { model_.config.erase(name); });
    expect_corrupted([&] { model_.config["heads"] = 3; });
    expect_corrupted([&] { model_.config["max_len"] = 5; });
    expect_corrupted([&] { model_.config["layers"] = 2; });
    expect_corrupted([&] { model_.config["prompt_until"] = 0; });
    expect_corrupted([&] { model_.config["layers"] = 1000000; });
    expect_corrupted([&] { model_.config["columns"][0]["count"] = 9; });
    expect_corrupted([&] { model_.config["columns"][0]["first"] = -1; });
    for (const auto& [name, shape] : Model().shapes) expect_corrupted([&] { model_.shapes.erase(name); });
    expect_corrupted([&] { model_.user_offsets.pop_back(); });
    model_.user_rows[0] = kRows;
    open();
    EXPECT_EQ(error_of([&] { ask({}, 1); }), sqlstate::kDataCorrupted);
}

/// What a snapshot holds is read and not made anew, and answers the same to the last bit.
TEST_F(P5Test, PackedWeightsAreThoseOfTheFile) {
    const auto query = [&] {
        std::vector<float> said(kDim);
        const std::vector<std::int32_t> clicks = {1, 2};
        (void)encoder_->encode({clicks, 1, nullptr}, said, Precision::Fast);
        return said;
    };
    const std::vector<float> before = query();
    model_.pack();
    open();
    EXPECT_EQ(query(), before);
    std::ranges::fill(model_.packed, std::byte{0});
    open();
    EXPECT_NE(query(), before);
    expect_corrupted([&] { model_.packed.pop_back(); });
}

TEST_F(P5Test, ManyColumnsShareTokens) {
    std::vector<QueryColumn> columns;
    for (int c = 0; c < 40; ++c) columns.push_back({"c" + std::to_string(c), "category", 2 * c, 2});
    const auto tokens = prompt_tokens(columns, 80);
    EXPECT_EQ(tokens[0], 0);
    EXPECT_EQ(tokens[3], 1);
    EXPECT_EQ(tokens[2 * kPromptColumns], 0);
    EXPECT_EQ(*std::ranges::max_element(tokens), kPromptColumns - 1);
}

}  // namespace
}  // namespace seqrec
