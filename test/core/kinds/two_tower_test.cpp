// The encoder of the two towers on a small file, against the same with keys and values written out; and what is
// no such file.
#include "core/kinds/two_tower.hpp"

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
using Vector = std::vector<double>;

constexpr std::int64_t kItems = 7, kUsers = 3, kDim = 8, kHeads = 2, kLength = 4, kHidden = 5, kRows = 6;

json column(const char* name, const char* type, int first, int count, int number, int missing) {
    return {{"name", name},     {"type", type}, {"first", first},        {"count", count},
            {"number", number}, {"hashed", 0},  {"missing", missing},    {"mean", 40},
            {"deviation", 10},  {"now", 0},     {"edges", json::array()}};
}

/// What a file holds; change anything, then write().
struct Model {
    std::map<std::string, std::vector<float>> floats;
    std::map<std::string, Shape> shapes;
    std::vector<std::int64_t> user_offsets = {0, 0, 2, 3};
    std::vector<std::int32_t> user_rows = {0, 4, 5};  // user 1: a girl, of an age; of user 2 nothing is known
    std::vector<std::int64_t> value_offsets = {0, 1, 2, 2, 2, 2, 2};
    std::string value_bytes = "fm";
    json config = {
        {"dim", kDim},
        {"heads", kHeads},
        {"max_len", kLength},
        {"hidden", kHidden},
        {"columns", {column("gender", "category", 0, 2, -1, 2), column("age", "number", 3, 0, 4, 5)}}};

    Model() {
        float next = 0.5f;
        const auto fill = [&](const char* name, Shape shape) {
            std::vector<float>& all = floats[name];
            std::int64_t count = 1;
            for (const std::int64_t n : shape) count *= n;
            for (std::int64_t i = 0; i < count; ++i) {
                next = std::fmod(next * 1.7f + 0.3f, 1.0f);
                all.push_back(next - 0.5f);
            }
            shapes[name] = std::move(shape);
        };
        fill("item.embedding", {kItems, kDim});
        std::fill_n(floats["item.embedding"].begin() + 6 * kDim, kDim, 0.0f);  // of item 6 nothing is known
        fill("user.embedding", {kUsers, 0});
        fill("attention.weight", {3 * kDim, kDim});
        fill("attention.bias", {3 * kDim});
        fill("attention.relative", {kHeads, kLength});
        fill("query.wide.weight", {kHidden, 2 * kDim});
        fill("query.wide.bias", {kHidden});
        fill("query.wide.features", {kHidden, kDim});
        fill("query.narrow.weight", {kDim, kHidden});
        fill("query.skip.weight", {kDim, 2 * kDim});
        fill("query.skip.features", {kDim, kDim});
        fill("query.bias", {kDim});
        fill("feature.rows", {kRows, kDim});
        floats["feature.user.values"] = {1, 0.5f, 1};
        shapes["feature.user.values"] = {3};
    }

    Vector row(const std::string& name, std::int64_t at, std::int64_t width = kDim) const {
        const auto begin = floats.at(name).begin() + at * width;
        return {begin, begin + width};
    }

    void write(const std::string& path) const {
        SafetensorsWriter writer;
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
        writer.commit();
    }

  private:
    template <typename T>
    static void declare(SafetensorsWriter& writer, const char* name, std::size_t length) {
        writer.declare<T>(name, {static_cast<std::int64_t>(length)});
    }
};

struct Answer {
    std::vector<float> query;
    Encoded encoded;
};

class TwoTowerTest : public ::testing::Test {
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
        answer.encoded = encoder_->encode({clicks, user, context}, answer.query, Precision::Fast);
        return answer;
    }

    /// W x + b, rows from `first` of the weight.
    Vector product(const std::string& weight, const Vector& x, std::int64_t rows, std::int64_t first = 0,
                   const std::string& bias = "") const {
        Vector y;
        for (std::int64_t r = first; r < first + rows; ++r) {
            const Vector w = model_.row(weight, r, std::ssize(x));
            double sum = bias.empty() ? 0 : model_.row(bias, r, 1)[0];
            for (std::size_t d = 0; d < x.size(); ++d) sum += w[d] * x[d];
            y.push_back(sum);
        }
        return y;
    }

    Vector scaled(const Vector& x) const {
        Vector y = x;
        for (double& value : y) value *= std::sqrt(static_cast<double>(kDim));
        return y;
    }

    /// What the latest of some clicks attends to, and itself.
    Vector look(const std::vector<std::int32_t>& clicks) const {
        Vector seen(2 * kDim);
        if (clicks.empty()) return seen;
        constexpr std::int64_t kWidth = kDim / kHeads;
        const Vector latest = scaled(model_.row("item.embedding", clicks.back()));
        const Vector query = product("attention.weight", latest, kDim, 0, "attention.bias");
        for (std::int64_t h = 0; h < kHeads; ++h) {
            double total = 0;
            Vector pooled(kWidth);
            for (std::int64_t i = 0; i < std::ssize(clicks); ++i) {
                const Vector item = scaled(model_.row("item.embedding", clicks[static_cast<std::size_t>(i)]));
                const Vector key = product("attention.weight", item, kDim, kDim, "attention.bias"),
                             value = product("attention.weight", item, kDim, 2 * kDim, "attention.bias");
                double score = 0;
                for (std::int64_t d = h * kWidth; d < (h + 1) * kWidth; ++d)
                    score += query[static_cast<std::size_t>(d)] * key[static_cast<std::size_t>(d)];
                const std::int64_t age = std::ssize(clicks) - 1 - i;
                const double weight = std::exp(score / std::sqrt(static_cast<double>(kWidth)) +
                                               model_.row("attention.relative", h * kLength + age, 1)[0]);
                total += weight;
                for (std::int64_t d = 0; d < kWidth; ++d)
                    pooled[static_cast<std::size_t>(d)] +=
                        weight * value[static_cast<std::size_t>(h * kWidth + d)];
            }
            for (std::int64_t d = 0; d < kWidth; ++d)
                seen[static_cast<std::size_t>(h * kWidth + d)] = pooled[static_cast<std::size_t>(d)] / total;
        }
        std::ranges::copy(latest, seen.begin() + kDim);
        return seen;
    }

    /// The query of these clicks and features, by the definition.
    Vector wanted(const std::vector<std::int32_t>& clicks,
                  const std::vector<std::pair<std::int64_t, double>>& features = {}) const {
        const Vector seen = look(clicks);
        Vector of_user(kDim);
        for (const auto& [row, x] : features)
            for (std::size_t d = 0; d < kDim; ++d)
                of_user[d] += x * scaled(model_.row("feature.rows", row))[d];
        Vector inner = product("query.wide.weight", seen, kHidden, 0, "query.wide.bias");
        const Vector more = product("query.wide.features", of_user, kHidden);
        for (std::size_t i = 0; i < inner.size(); ++i) {
            const double x = inner[i] + more[i];
            inner[i] = 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        }
        Vector query = product("query.narrow.weight", inner, kDim, 0, "query.bias");
        const Vector skip = product("query.skip.weight", seen, kDim),
                     own = product("query.skip.features", of_user, kDim);
        double squares = 0;
        for (std::size_t d = 0; d < kDim; ++d) {
            query[d] += skip[d] + own[d];
            squares += query[d] * query[d];
        }
        for (double& x : query) x /= std::sqrt(squares);
        return query;
    }

    static void expect(const Answer& answer, const Vector& expected) {
        EXPECT_TRUE(answer.encoded.known);
        EXPECT_EQ(answer.encoded.offset, 0);
        for (std::size_t d = 0; d < expected.size(); ++d)
            EXPECT_NEAR(answer.query[d], expected[d], 1e-5) << d;
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
    std::optional<TwoTowerEncoder> encoder_;
};

TEST_F(TwoTowerTest, KnowsItsSizes) {
    EXPECT_EQ(encoder_->dim(), kDim);
    EXPECT_EQ(encoder_->reach(), kLength);
}

TEST_F(TwoTowerTest, TheLatestClickAttendsToAll) {
    expect(ask({3}), wanted({3}));
    expect(ask({1, 4, 2}), wanted({1, 4, 2}));
    expect(ask({0, 5, 1, 4, 2}), wanted({5, 1, 4, 2}));
}

TEST_F(TwoTowerTest, FeaturesOfAUserCountBesideTheClicks) {
    expect(ask({1, 4}, 1), wanted({1, 4}, {{0, 1}, {4, 0.5}}));
    expect(ask({1, 4}, 2), wanted({1, 4}, {{5, 1}}));
    expect(ask({}, 1), wanted({}, {{0, 1}, {4, 0.5}}));
}

TEST_F(TwoTowerTest, WithoutClicksAndFeaturesNothingIsKnown) {
    for (const std::int32_t user : {-1, 0, 2}) {
        const Answer answer = ask({}, user);
        EXPECT_FALSE(answer.encoded.known) << user;
        EXPECT_TRUE(std::ranges::all_of(answer.query, [](float x) { return x == 0; })) << user;
    }
}

TEST_F(TwoTowerTest, ItemsOfWhichNothingIsKnownAreNoClicks) {
    EXPECT_FALSE(ask({6}).encoded.known);
    expect(ask({1, 6, 4, 6}), wanted({1, 4}));
}

TEST_F(TwoTowerTest, AContextDescribesWhoWasNotThere) {
    const json girl = {{"gender", "f"}, {"age", 50}, {"mood", "good"}};
    expect(ask({}, -1, &girl), wanted({}, {{0, 1}, {4, 1}}));
    EXPECT_EQ(encoder_->unknown_context(girl), std::vector<std::string>{"mood"});
    const json boy = {{"gender", "m"}};
    expect(ask({2}, 1, &boy), wanted({2}, {{1, 1}, {4, 0.5}}));  // the age is still hers
    const json stranger = {{"gender", "x"}, {"age", "old"}};
    EXPECT_FALSE(ask({}, -1, &stranger).encoded.known);
    EXPECT_EQ(encoder_->unknown_context(stranger), (std::vector<std::string>{"age", "gender"}));
}

TEST_F(TwoTowerTest, WrongIndexesAreRefused) {
    EXPECT_EQ(error_of([&] { ask({kItems}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { ask({-1}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { ask({}, kUsers); }), sqlstate::kInternal);
}

TEST_F(TwoTowerTest, DamagedFilesAreRefused) {
    for (const char* name : {"dim", "heads", "max_len", "hidden", "columns"})
        expect_corrupted([&] { model_.config.erase(name); });
    expect_corrupted([&] { model_.config["heads"] = 3; });
    expect_corrupted([&] { model_.config["max_len"] = 5; });
    expect_corrupted([&] { model_.config["hidden"] = 1.5; });
    expect_corrupted([&] { model_.config["columns"][0]["count"] = 9; });
    for (const auto& [name, shape] : Model().shapes) expect_corrupted([&] { model_.shapes.erase(name); });
    expect_corrupted([&] { model_.user_offsets.pop_back(); });
    model_.user_rows[0] = kRows;
    open();
    EXPECT_EQ(error_of([&] { ask({}, 1); }), sqlstate::kDataCorrupted);
}

}  // namespace
}  // namespace seqrec
