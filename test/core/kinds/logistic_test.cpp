// The logistic encoder on a small file: what counts in a query, and what is no such file.
#include "core/kinds/logistic.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <set>

#include "testing.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using testing::error_of;
using testing::TempFolder;

constexpr std::int64_t kItems = 5, kUsers = 3, kDim = 6, kBlock = 3, kRows = 24;

json column(const char* name, const char* type, int first, int count, int number, int missing) {
    return {{"name", name},     {"type", type}, {"first", first},        {"count", count},
            {"number", number}, {"hashed", 0},  {"missing", missing},    {"mean", 0},
            {"deviation", 1},   {"now", 0},     {"edges", json::array()}};
}

/// What a file holds; change anything, then write().
struct Model {
    std::map<std::string, std::vector<float>> floats;
    std::map<std::string, Shape> shapes;
    std::vector<std::int64_t> user_offsets = {0, 0, 2, 3};
    std::vector<std::int32_t> user_rows = {2, 6, 9};  // user 1: young, of genre a; user 2: genre b
    std::vector<std::string> values = std::vector<std::string>(kRows);
    std::vector<std::int64_t> value_offsets = {0};
    std::string value_bytes;
    json config;

    Model() {
        float next = 0.5f;
        const auto fill = [&](const char* name, Shape shape) {
            std::vector<float>& all = floats[name];
            for (std::int64_t i = 0; i < shape[0] * shape[1]; ++i) {
                next = std::fmod(next * 1.7f + 0.3f, 1.0f);
                all.push_back(next - 0.5f);
            }
            shapes[name] = shape;
        };
        fill("item.embedding", {kItems, kDim});
        fill("user.embedding", {kUsers, kDim});
        fill("feature.rows", {kRows, kDim});
        fill("affinity", {2, kBlock});
        floats["feature.user.values"] = {1, 1, 0.5f};
        shapes["feature.user.values"] = {3};
        json age = column("age", "number", 2, 2, 5, 4);
        age.update({{"mean", 40}, {"deviation", 10}, {"edges", {30}}});
        json genre = column("genre", "category", 6, 7, -1, 13);  // a b c d and three that others share
        genre["hashed"] = 3;
        const json vip = column("vip", "category", 14, 2, -1, -1);
        json since = column("since", "time", 16, 2, 19, 18);
        since.update({{"mean", 100}, {"deviation", 50}, {"edges", {3600}}, {"now", 1000000000}});
        const json code = column("code", "category", 20, 2, -1, -1);
        config = {{"columns", {age, genre, vip, since, code}},
                  {"clicks", {{"mean", 0.5}, {"deviation", 2}}},
                  {"block", kBlock}};
        for (const auto& [row, value] : std::map<std::size_t, const char*>{
                 {6, "a"}, {7, "b"}, {8, "c"}, {9, "d"}, {14, "true"}, {15, "false"}, {20, "7"}, {21, "8"}})
            values[row] = value;
        for (const std::string& value : values) {
            value_bytes += value;
            value_offsets.push_back(static_cast<std::int64_t>(value_bytes.size()));
        }
    }

    std::vector<float> row(const char* name, std::int64_t at) const {
        const auto begin = floats.at(name).begin() + at * kDim;
        return {begin, begin + kDim};
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

class LogisticTest : public ::testing::Test {
  protected:
    void open() {
        model_.write(folder_ / "model");
        encoder_.reset();
        file_.emplace(SafetensorsFile::open(folder_ / "model"));
        encoder_.emplace(*file_);
    }
    void SetUp() override { open(); }

    Answer ask(const std::vector<std::int32_t>& clicks, std::int32_t user,
               const json* context = nullptr) const {
        Answer answer{std::vector<float>(kDim), {}};
        answer.encoded = encoder_->encode({clicks, user, context}, answer.query, Precision::Fast);
        return answer;
    }
    Answer with(const json& context, std::int32_t user = -1) const { return ask({}, user, &context); }
    std::vector<std::string> unknown(const json& context) const { return encoder_->unknown_context(context); }

    /// The query of these rows of features, beside what always counts and, maybe, a user's own.
    std::vector<float> of(const std::vector<std::pair<std::int64_t, float>>& features, std::int64_t user = -1,
                          std::size_t clicks = 0) const {
        const auto count = (std::log1p(static_cast<double>(clicks)) - 0.5) / 2;
        std::vector<float> sum = model_.row("feature.rows", 0);
        const auto add = [&](const std::vector<float>& row, double x) {
            for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += static_cast<float>(x) * row[d];
        };
        add(model_.row("feature.rows", 1), count);
        if (user >= 0) add(model_.row("user.embedding", user), 1);
        for (const auto& [row, x] : features) add(model_.row("feature.rows", row), x);
        return sum;
    }
    /// The last number is the offset, and 1 in the query.
    static void expect(const Answer& answer, std::vector<float> expected, const std::string& what = "") {
        const auto limit = [](float value) { return 1e-5f + 1e-6f * std::abs(value); };
        EXPECT_NEAR(answer.encoded.offset, expected.back(), limit(expected.back())) << what;
        expected.back() = 1;
        for (std::size_t d = 0; d < expected.size(); ++d)
            EXPECT_NEAR(answer.query[d], expected[d], limit(expected[d])) << what << " " << d;
    }

    TempFolder folder_;
    Model model_;
    std::optional<SafetensorsFile> file_;
    std::optional<LogisticEncoder> encoder_;
};

TEST_F(LogisticTest, KnowsItsSizes) {
    EXPECT_EQ(encoder_->dim(), kDim);
    EXPECT_EQ(encoder_->reach(), 200);
}

TEST_F(LogisticTest, AUserHasARowAndFeatures) {
    expect(ask({}, 0), of({}, 0));
    expect(ask({}, 1), of({{2, 1}, {6, 1}}, 1));
    expect(ask({}, 2), of({{9, 0.5f}}, 2));
    EXPECT_TRUE(ask({}, 0).encoded.known);
}

TEST_F(LogisticTest, NobodyGetsWhatAlwaysCounts) {
    expect(ask({}, -1), of({}));
    EXPECT_TRUE(ask({}, -1).encoded.known) << "there is a probability for strangers, too";
}

TEST_F(LogisticTest, ContextOfEveryTypeCounts) {
    struct Case {
        json context;
        std::vector<std::pair<std::int64_t, float>> features;
    };
    const float half = std::sqrt(0.5f);
    const std::vector<Case> cases = {
        {{{"age", 25}}, {{2, 1}, {5, -1.5f}}},
        {{{"age", 30}}, {{3, 1}, {5, -1}}},
        {{{"age", 55.5}}, {{3, 1}, {5, 1.55f}}},
        {{{"age", nullptr}}, {{4, 1}}},
        {{{"genre", "b"}}, {{7, 1}}},
        {{{"genre", {"b"}}}, {{7, 1}}},
        {{{"genre", {"a", "d", "a"}}}, {{6, half}, {9, half}}},
        {{{"genre", nullptr}}, {{13, 1}}},
        {{{"genre", "jazz"}}, {{10 + hashed_value("jazz", 3), 1}}},
        {{{"vip", true}}, {{14, 1}}},
        {{{"vip", false}}, {{15, 1}}},
        {{{"vip", "true"}}, {{14, 1}}},
        {{{"code", 8}}, {{21, 1}}},
        {{{"since", 999999900}}, {{16, 1}, {19, 0}}},
        {{{"since", 999990000}}, {{17, 1}, {19, kMostDeviations}}},  // 198 of them
        {{{"since", nullptr}}, {{18, 1}}},
        {{{"age", 25}, {"vip", true}}, {{2, 1}, {5, -1.5f}, {14, 1}}},
    };
    for (const Case& one : cases) {
        expect(with(one.context), of(one.features), one.context.dump());
        EXPECT_TRUE(with(one.context).encoded.known);
        EXPECT_TRUE(unknown(one.context).empty()) << one.context;
    }
}

/// The latest time of the data, 1000000000, is 2001-09-09 01:46:40 UTC.
TEST_F(LogisticTest, TimesAreTextsToo) {
    for (const auto& [text, age] : std::map<std::string, double>{{"2001-09-09T01:46:40", 0},
                                                                 {"2001-09-09 01:46:39.5", 0.5},
                                                                 {"2001-09-09T01:46:40Z", 0},
                                                                 {"2001-09-09T01:46:30+00:00", 10},
                                                                 {"2001-09-09T03:46:40+02:00", 0},
                                                                 {"2001-09-08T22:16:40.5-03:30", -0.5},
                                                                 {"2001-09-09T09:46:40+08", 0},
                                                                 {"2001-09-09T07:16:40+0530", 0},
                                                                 {"2001-09-09", 6400},
                                                                 {"0001-01-01 BC", 6400 + 730736 * 86400.0},
                                                                 {"2000-02-29", 6400 + 558 * 86400.0}}) {
        const json context = {{"since", text}};
        expect(with(context), of({{age < 3600 ? 16 : 17, 1}, {19, standardised(age, 100, 50)}}), text);
        EXPECT_TRUE(unknown(context).empty()) << text;
    }
    model_.config["columns"][3]["now"] = 10;
    open();
    expect(with({{"since", "1969-12-31T23:59:59Z"}}), of({{16, 1}, {19, (11 - 100) / 50.0f}}));
}

TEST_F(LogisticTest, ContextTakesThePlaceOfWhatAUserHad) {
    expect(with({{"age", 50}}, 1), of({{3, 1}, {5, 1}, {6, 1}}, 1));
    expect(with({{"genre", "c"}}, 1), of({{2, 1}, {8, 1}}, 1));
    expect(with({{"genre", nullptr}}, 1), of({{2, 1}, {13, 1}}, 1));
    expect(with({{"vip", nullptr}}, 1), of({{2, 1}, {6, 1}}, 1));
    expect(with({{"genre", 1e300}, {"age", "old"}, {"x", 1}}, 1),
           of({{2, 1}, {10 + hashed_value("1e+300", 3), 1}}, 1), "what says nothing leaves all as it was");
}

TEST_F(LogisticTest, WhatMeansNothingIsReported) {
    using Keys = std::vector<std::string>;
    EXPECT_EQ(unknown({{"agee", 3}, {"", 1}, {"age", 3}}), (Keys{"", "agee"}));
    for (const json& value : {json("25"), json(true), json::array({25}), json::object()})
        EXPECT_EQ(unknown({{"age", value}}), Keys{"age"}) << value;
    for (const json& value : {json::array(), json::object(), json::array({"a", nullptr}),
                              json::array({json::array({"a"}), json::array({"a", "b"})})})
        EXPECT_EQ(unknown({{"genre", value}}), Keys{"genre"}) << value;
    for (const json& value : {json("maybe"), json(1), json::array({true, "maybe"})})
        EXPECT_EQ(unknown({{"vip", value}}), Keys{"vip"}) << value;
    for (const char* text :
         {"", "yesterday", "2001-13-01", "2001-01-32", "2001-00-01", "01:02:03", "2001-02-29",
          "2001-09-09garbage", "2001-09-09T99:99:99", "2001-09-09T00:00:00+99:99", "99999999999-01-01",
          "2001-09-09T00:00:1e300", "2001-09-09T01:46:40+", "2001-09-09T01:46:nan"})
        EXPECT_EQ(unknown({{"since", text}}), Keys{"since"}) << text;
    EXPECT_EQ(unknown({{"since", true}}), Keys{"since"});
    const Answer answer = with({{"age", "25"}, {"nothing", 1}});
    expect(answer, of({}));
}

TEST_F(LogisticTest, NumbersFarFromAllOthersStayFinite) {
    for (const double number : {1e308, -1e308, 1e30})
        for (const float x : with({{"age", number}}).query) EXPECT_TRUE(std::isfinite(x)) << number;
}

/// By the definition: two means, in which a click counts 0.98 or 0.8 of the one after it.
TEST_F(LogisticTest, ClicksWeighTheColumnsOfTheirItems) {
    const float decays[] = {0.98f, 0.8f};
    for (const std::size_t count : {1, 2, 5, 199, 200, 201, 450}) {
        std::vector<std::int32_t> clicks(count);
        for (std::size_t i = 0; i < count; ++i) clicks[i] = static_cast<std::int32_t>(i * i % kItems);
        const std::size_t begin = count - std::min<std::size_t>(count, 200);
        std::vector<float> expected = of({}, -1, count - begin);
        for (std::size_t m = 0; m < 2; ++m)
            for (std::size_t j = 0; j < kBlock; ++j) {
                double sum = 0, total = 0;
                for (std::size_t i = begin; i < count; ++i) {
                    const double weight = std::pow(decays[m], static_cast<double>(count - 1 - i));
                    sum += weight * model_.row("item.embedding", clicks[i])[j];
                    total += weight;
                }
                expected[j] += model_.floats.at("affinity")[m * kBlock + j] * static_cast<float>(sum / total);
            }
        expect(ask(clicks, -1), expected, std::to_string(count));
    }
}

TEST_F(LogisticTest, RefusesWhatIsOutOfRange) {
    EXPECT_EQ(error_of([&] { ask({5}, 0); }), "XX000");
    EXPECT_EQ(error_of([&] { ask({-1}, 0); }), "XX000");
    EXPECT_EQ(error_of([&] { ask({}, 3); }), "XX000");
    EXPECT_EQ(error_of([&] { ask({}, -2); }), "XX000");
    std::vector<float> narrow(kDim - 1);
    EXPECT_EQ(error_of([&] { encoder_->encode({}, narrow, Precision::Fast); }), "XX000");
}

TEST_F(LogisticTest, EveryShapeIsChecked) {
    for (const auto& [name, shape] : Model().shapes)
        for (std::size_t axis = 0; axis < shape.size(); ++axis)
            for (const int more : {-1, 1}) {
                if (axis == 0 && name == "item.embedding") continue;  // another number of items is no damage
                model_ = Model();
                model_.shapes[name][axis] += more;
                EXPECT_EQ(error_of([&] { open(); }), "XX001") << name << axis << more;
            }
    for (const char* name : {"user_offsets", "value_offsets"})
        for (const int more : {-1, 1}) {
            model_ = Model();
            std::vector<std::int64_t>& offsets = *name == 'u' ? model_.user_offsets : model_.value_offsets;
            offsets.resize(offsets.size() + static_cast<std::size_t>(more), offsets.back());
            EXPECT_EQ(error_of([&] { open(); }), "XX001") << name << more;
        }
}

TEST_F(LogisticTest, EveryTensorIsNeeded) {
    for (const auto& [name, shape] : Model().shapes) {
        model_ = Model();
        model_.shapes.erase(name);
        EXPECT_EQ(error_of([&] { open(); }), "XX001") << name;
    }
}

/// Opening takes no time that grows with the users: theirs is checked when one asks.
TEST_F(LogisticTest, FeaturesOfAUserThatLeaveTheFileAreDamage) {
    for (const std::vector<std::int64_t>& offsets : std::vector<std::vector<std::int64_t>>{
             {0, 0, 4, 3}, {0, -1, 2, 3}, {0, 2, 1, 3}, {0, 0, std::int64_t{1} << 62, 3}}) {
        model_ = Model();
        model_.user_offsets = offsets;
        open();
        EXPECT_EQ(error_of([&] { ask({}, 1); }), "XX001") << offsets[2];
    }
    for (const std::int32_t row : {-1, static_cast<int>(kRows), 1 << 30}) {
        model_ = Model();
        model_.user_rows[1] = row;
        open();
        EXPECT_EQ(error_of([&] { ask({}, 1); }), "XX001") << row;
        EXPECT_EQ(error_of([&] { ask({}, 2); }), "");
    }
}

TEST_F(LogisticTest, ValuesThatLeaveTheFileAreDamage) {
    for (const std::int64_t end : {std::int64_t{-1}, std::int64_t{1} << 62, std::int64_t{0}}) {
        model_ = Model();
        model_.value_offsets[8] = end;  // of b, after a
        open();
        EXPECT_EQ(error_of([&] { with({{"genre", "b"}}); }), "XX001") << end;
        EXPECT_EQ(error_of([&] { with({{"age", 3}}); }), "") << "which has no such values";
    }
}

TEST_F(LogisticTest, ColumnsWithRowsThatAreNotThereAreDamage) {
    const std::vector<json> wrong = {{{"first", 1}},          {{"first", -1}},  {{"first", 23}},
                                     {{"first", 2147483647}}, {{"count", -1}},  {{"count", 1}},
                                     {{"count", 23}},         {{"number", 24}}, {{"missing", 24}},
                                     {{"hashed", 8}},         {{"hashed", -1}}, {{"count", 2147483647}}};
    for (const json& change : wrong) {
        model_ = Model();
        model_.config["columns"][1].update(change);
        EXPECT_EQ(error_of([&] { open(); }), "XX001") << change;
    }
    model_ = Model();
    model_.config["columns"][0]["edges"] = {1, 2, 3};
    EXPECT_EQ(error_of([&] { open(); }), "XX001") << "more bins than rows";
}

TEST_F(LogisticTest, ConfigsOfAWrongFormAreDamage) {
    const json good = model_.config;
    for (const char* key : {"columns", "clicks", "block"}) {
        model_.config = good;
        model_.config.erase(key);
        EXPECT_EQ(error_of([&] { open(); }), "XX001") << key;
        for (const json& value :
             {json("x"), json(true), json(-1), json::array({3}), json::object({{"a", 3}})}) {
            if (value.is_boolean() && std::string_view(key) == "block")
                continue;  // a number to JSON's reader
            model_.config = good;
            model_.config[key] = value;
            EXPECT_EQ(error_of([&] { open(); }), "XX001") << key << value;
        }
    }
    for (const auto& [key, unused] : good["columns"][0].items()) {
        model_.config = good;
        model_.config["columns"][0].erase(key);
        EXPECT_EQ(error_of([&] { open(); }), "XX001") << key;
        model_.config = good;
        model_.config["columns"][0][key] = json::object({{"a", "b"}});
        EXPECT_EQ(error_of([&] { open(); }), "XX001") << key;
    }
    for (const int block : {-1, static_cast<int>(kDim), 2, 4}) {
        model_.config = good;
        model_.config["block"] = block;
        EXPECT_EQ(error_of([&] { open(); }), "XX001") << block;
    }
}

TEST(LogisticBins, HoldWhatIsNotBelowTheirEdges) {
    const std::vector<double> edges = {1, 2};
    EXPECT_EQ(bin_of(edges, 0.5), 0);
    EXPECT_EQ(bin_of(edges, 1), 1);
    EXPECT_EQ(bin_of(edges, 2), 2);
    EXPECT_EQ(bin_of({}, 7), 0);
}

/// Files depend on it.
TEST(LogisticHash, IsTheSameInEveryBuild) {
    EXPECT_EQ(hashed_value("", 256), 193);
    std::set<std::int32_t> used;
    for (int i = 0; i < 4000; ++i) {
        const std::int32_t value = hashed_value("value " + std::to_string(i), 256);
        ASSERT_TRUE(value >= 0 && value < 256);
        used.insert(value);
    }
    EXPECT_EQ(used.size(), 256u);
}

TEST(LogisticOptions, CrossesAreAutoNoneOrPairs) {
    const auto error = [](const char* crosses) {
        return error_of([&] { resolve_options("logistic", {{"crosses", json::parse(crosses)}}); });
    };
    for (const char* good : {R"("auto")", R"("none")", "[]", R"([["a", "b"], ["user_id", "x"]])"})
        EXPECT_EQ(error(good), "") << good;
    for (const char* bad : {R"("all")", "3", "{}", R"(["a"])", R"([["a"]])", R"([["a", "b", "c"]])",
                            R"([["a", 1]])", R"([[]])"})
        EXPECT_EQ(error(bad), "22023") << bad;
}

TEST(LogisticOptions, AreThoseOfItsSidesToo) {
    const json options = resolve_options("logistic", json::object());
    EXPECT_EQ(options.at("split"), "time");
    EXPECT_EQ(options.at("ids"), true);
    EXPECT_TRUE(options.at("l2").is_null());
    for (const char* name : {"label", "context", "item_features", "user_features", "event_weights"})
        EXPECT_TRUE(options.contains(name)) << name;
    EXPECT_EQ(resolve_options("logistic", {{"split", "random"}}).at("split"), "random");
    EXPECT_EQ(error_of([] { resolve_options("logistic", {{"dim", 64}}); }), "22023");
    EXPECT_EQ(error_of([] { resolve_options("logistic", {{"negatives", 0}}); }), "22023");
}

}  // namespace
}  // namespace seqrec
