// What is known beyond clicks, and probabilities, through recommend and explain.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/explain.hpp"
#include "core/recommend.hpp"

#include "testing.hpp"
#include "tiny_model.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using testing::TempFolder;
using testing::TinyModel;

constexpr const char* kIds[] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8"};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A snapshot of the kind of test/fixtures: nine items of the categories 0, 1, 2, 0, …, which weigh 2.
class Context : public ::testing::Test {
  protected:
    Context() {
        write(Link::Sigmoid);
        snapshot_ = std::make_unique<Snapshot>(Snapshot::open(path_));
    }

    void write(Link link) const {
        SnapshotWriter writer({9, 1, 4, 0, 18, 1, 0},
                              {"category_popularity", ScoreForm{link, true, true}.to_json(), "{}", "v"});
        writer.weight("category", DType::I32, {9});
        writer.weight("weight", DType::F32, {1});
        writer.create(path_);
        const std::int32_t category[] = {0, 1, 2, 0, 1, 2, 0, 1, 2};
        const float weight[] = {2};
        writer.weight_part("category", 0, std::as_bytes(std::span(category)));
        writer.weight_part("weight", 0, std::as_bytes(std::span(weight)));
        for (int i = 0; i < 9; ++i) {
            std::vector<float> row(4);
            row[static_cast<std::size_t>(i % 3)] = 1;
            row[3] = -0.1f * static_cast<float>(i);
            writer.item(i, kIds[i], row, static_cast<float>(9 - i), -1);
        }
        writer.user(0, "u", {}, 5, {});
        writer.commit();
    }

    Answer ask(const char* context, std::vector<std::string_view> clicks = {}, Request request = {9}) const {
        const json object = context ? json::parse(context) : json();
        return recommend(*snapshot_, {"u", clicks, context ? &object : nullptr}, request, {});
    }

    TempFolder folder_;
    const std::string path_ = folder_ / "snapshot";
    std::unique_ptr<Snapshot> snapshot_;
};

TEST_F(Context, SpeaksWhereThereAreNoClicks) {
    const Answer without = ask(nullptr), with = ask(R"({"category": 1})");
    EXPECT_EQ(without.source, Source::Popular);
    EXPECT_EQ(with.source, Source::User);
    ASSERT_EQ(with.items.size(), 9u);
    EXPECT_EQ(with.items[0].item, 1);
    EXPECT_NEAR(with.items[0].score, 2 - 0.1 + 0.25, 1e-5);
    EXPECT_EQ(with.items[2].item, 7);
    EXPECT_TRUE(with.unknown_context.empty());
}

TEST_F(Context, AddsToClicks) {
    const Answer answer = ask(R"({"category": 1})", {"i2"});
    EXPECT_EQ(answer.source, Source::Clicks);
    EXPECT_EQ(answer.items[0].item, 1);
    EXPECT_EQ(answer.items[1].item, 4);
    EXPECT_EQ(answer.items[2].item, 5) << "of the clicked one's category";
}

TEST_F(Context, UnknownKeysAndValuesAreReported) {
    EXPECT_EQ(ask(R"({"category": 1, "mood": "good"})").unknown_context, std::vector<std::string>{"mood"});
    const Answer answer = ask(R"({"category": 3})");
    EXPECT_EQ(answer.unknown_context, std::vector<std::string>{"category"});
    EXPECT_EQ(answer.source, Source::Popular);
}

TEST_F(Context, KindsThatUseNoneReportAllKeys) {
    const TinyModel model;
    model.write(path_);
    const Snapshot snapshot = Snapshot::open(path_);
    const json object = {{"a", 1}, {"b", nullptr}};
    const std::vector<std::string_view> clicks = {model.item_id(4)};
    const Answer with = recommend(snapshot, {"nobody", clicks, &object}, {5}, {});
    const Answer without = recommend(snapshot, {"nobody", clicks}, {5}, {});
    EXPECT_EQ(with.unknown_context, (std::vector<std::string>{"a", "b"}));
    ASSERT_EQ(with.items.size(), without.items.size());
    for (std::size_t i = 0; i < with.items.size(); ++i) EXPECT_EQ(with.items[i].item, without.items[i].item);
}

TEST_F(Context, BelongsToItsAskerInABatch) {
    const json one = {{"category", 1}}, two = {{"category", 2}, {"x", 1}};
    const std::vector<Asker> askers = {{"u", {}, &one}, {"u", {}}, {"u", {}, &two}};
    const Request request{3};
    const Poll poll;
    const auto answers = Recommender(*snapshot_, request, poll).answer(askers);
    EXPECT_EQ(answers[0].items[0].item, 1);
    EXPECT_EQ(answers[1].source, Source::Popular);
    EXPECT_TRUE(answers[1].unknown_context.empty());
    EXPECT_EQ(answers[2].items[0].item, 2);
    EXPECT_EQ(answers[2].unknown_context, std::vector<std::string>{"x"});
}

TEST_F(Context, IsAReasonOfItsOwn) {
    const json object = {{"category", 1}};
    const std::vector<std::string_view> clicks = {"i2"};
    const std::vector<std::int32_t> items = {1, 5};
    for (const std::string_view user : {std::string_view("u"), std::string_view()}) {
        const auto reasons = explain(*snapshot_, {user, clicks, &object}, items, true, {});
        EXPECT_EQ(reasons[0].source, Source::User);
        EXPECT_NEAR(reasons[0].contribution, user.data() ? 2.5 : 2, 1e-5)
            << "2 of the context, 0.5 of the user";
        EXPECT_EQ(reasons[1].source, Source::Clicks);
        EXPECT_EQ(reasons[1].click, 2);
        EXPECT_NEAR(reasons[1].contribution, 2, 1e-5);
        const auto alone = explain(*snapshot_, {user, {}, &object}, items, true, {});
        EXPECT_EQ(alone[1].source, Source::User);
        EXPECT_NEAR(alone[1].contribution, user.data() ? 0.5 : 0, 1e-5);
    }
}

TEST_F(Context, NamesThePartThatCostsMost) {
    const json object = json::parse(R"({"aaa": 1, "category": 1, "mood": "good"})");
    const std::vector<std::int32_t> items = {0, 1};
    const auto reasons = explain(*snapshot_, {"u", {}, &object}, items, false, {});
    EXPECT_EQ(reasons[0].part, -1) << "the user alone lifts an item of another category";
    EXPECT_EQ(reasons[1].part, 1) << "the category, second of the keys";
    const json nothing = json::object();
    EXPECT_EQ(explain(*snapshot_, {"u", {}, &nothing}, items, false, {})[1].part, -1);
    EXPECT_EQ(explain(*snapshot_, {"u", {}}, items, false, {})[1].part, -1);
}

TEST_F(Context, AProbabilityIsAFloor) {
    const Answer all = ask(R"({"category": 1})");
    for (const std::size_t place : {std::size_t{0}, std::size_t{3}, std::size_t{8}}) {
        Request request{9};
        request.min_probability = probability_of(all.items[place].score);
        for (const bool exact : {false, true}) {
            request.exact = exact;
            const Answer some = ask(R"({"category": 1})", {}, request);
            ASSERT_EQ(some.items.size(), place + 1);
            for (const ScoredItem& item : some.items)
                EXPECT_GE(probability_of(item.score), request.min_probability);
        }
        request.min_score = all.items[0].score;
        EXPECT_EQ(ask(R"({"category": 1})", {}, request).items.size(), 1u)
            << "the stricter of the two counts";
    }
}

TEST_F(Context, PopularItemsHaveNoProbability) {
    Request request{9};
    request.min_probability = 1e-6f;
    const Answer answer = ask(nullptr, {}, request);
    EXPECT_EQ(answer.source, Source::Popular);
    EXPECT_TRUE(answer.items.empty());
    request.min_probability = 0;
    EXPECT_EQ(ask(nullptr, {}, request).items.size(), 9u);
}

TEST(Probability, IsTheLogisticFunction) {
    EXPECT_EQ(probability_of(0), 0.5f);
    EXPECT_NEAR(probability_of(2), 0.8807970780, 1e-7);
    EXPECT_EQ(probability_of(-kInfinity), 0);
    EXPECT_EQ(probability_of(kInfinity), 1);
}

TEST(Probability, ItsLeastScoreIsExact) {
    EXPECT_EQ(least_score_of(0), -kInfinity);
    for (const float wanted : {1e-30f, 1e-6f, 0.1f, 0.5f, 0.7f, 0.999f, 1.0f}) {
        const float score = least_score_of(wanted);
        EXPECT_GE(probability_of(score), wanted);
        EXPECT_LT(probability_of(std::nextafter(score, -kInfinity)), wanted) << wanted;
    }
}

}  // namespace
}  // namespace seqrec
