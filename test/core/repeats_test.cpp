// Models trained with repeats, and models trained without, answer the same clicks each in its own way.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/ages.hpp"
#include "core/explain.hpp"
#include "core/recommend.hpp"
#include "testing.hpp"
#include "tiny_model.hpp"

namespace seqrec {
namespace {

using testing::TempFolder;
using testing::TinyModel;

using Indexes = std::vector<std::int32_t>;

constexpr char kFirst[] = R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 6})",
               kKeep[] = R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 6,
                             "repeats": "keep", "merge_seconds": null})",
               kMerge[] = R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 6,
                              "repeats": "keep", "merge_seconds": 5})",
               kShift[] =
                   R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 6, "repeats": "keep",
                              "repeat_shifts": [-0.7, 0.4, 0.2, -0.1, 0, 0, 0, 0]})";

class Repeats : public ::testing::Test {
  protected:
    Snapshot written(const char* config) {
        model_.config = config;
        model_.write(path_);
        return Snapshot::open(path_);
    }

    std::vector<std::string_view> ids(const Indexes& items) const {
        std::vector<std::string_view> result;
        for (const std::int32_t item : items) result.push_back(model_.item_id(item));
        return result;
    }

    Indexes answered(const Snapshot& snapshot, const Indexes& clicks, std::optional<bool> exclude_seen,
                     std::string_view user = "nobody") const {
        Request request{model_.items()};
        request.exclude_seen = exclude_seen;
        Indexes items;
        for (const ScoredItem& item : recommend(snapshot, {user, ids(clicks)}, request, {}).items)
            items.push_back(item.item);
        std::ranges::sort(items);
        return items;
    }

    std::vector<float> vector_after(const Snapshot& snapshot, const Indexes& clicks) const {
        return asker_query(snapshot, {"nobody", ids(clicks)}, true, {}).vector;
    }
    std::vector<float> encoded(const Snapshot& snapshot, const Indexes& clicks) const {
        std::vector<float> vector(static_cast<std::size_t>(model_.dim));
        snapshot.encoder().encode({clicks, -1}, vector, Precision::Exact);
        return vector;
    }

    Indexes everything() const {
        Indexes items(static_cast<std::size_t>(model_.items()));
        std::iota(items.begin(), items.end(), 0);
        return items;
    }
    Indexes everything_but(const Indexes& items) const {
        Indexes rest = everything();
        std::erase_if(rest, [&](std::int32_t i) { return std::ranges::find(items, i) != items.end(); });
        return rest;
    }

    TempFolder folder_;
    const std::string path_ = folder_ / "snapshot";
    TinyModel model_;
};

TEST_F(Repeats, CountAsTheModelWasTrained) {
    const Indexes clicks = {3, 5, 5, 3, 5, 5};
    const Snapshot first = written(kFirst);
    EXPECT_FALSE(first.keeps_repeats());
    EXPECT_EQ(vector_after(first, clicks), encoded(first, {3, 5}));
    const Snapshot keep = written(kKeep);
    EXPECT_TRUE(keep.keeps_repeats());
    EXPECT_FALSE(keep.merges_repeats());
    EXPECT_EQ(vector_after(keep, clicks), encoded(keep, clicks));
    EXPECT_NE(encoded(keep, clicks), encoded(keep, {3, 5})) << "so this test says nothing";
    const Snapshot merge = written(kMerge);
    EXPECT_TRUE(merge.merges_repeats());
    EXPECT_EQ(vector_after(merge, clicks), encoded(merge, {3, 5, 3, 5}));
}

TEST_F(Repeats, UnknownClicksDoNotPartARepeat) {
    const Snapshot merge = written(kMerge);
    const std::vector<std::string_view> clicks = {"item-3", "never heard", "item-3"};
    EXPECT_EQ(asker_query(merge, {"nobody", clicks}, true, {}).vector, encoded(merge, {3}));
}

TEST_F(Repeats, SeenItemsAreLeftOutUnlessTheModelKeepsRepeats) {
    const Snapshot first = written(kFirst);
    EXPECT_EQ(answered(first, {3, 5}, std::nullopt), everything_but({3, 5}));
    EXPECT_EQ(answered(first, {3, 5}, true), everything_but({3, 5}));
    EXPECT_EQ(answered(first, {3, 5}, false), everything());
    const Snapshot keep = written(kKeep);
    EXPECT_EQ(answered(keep, {3, 5, 3}, std::nullopt), everything());
    EXPECT_EQ(answered(keep, {3, 5, 3}, true), everything_but({3, 5}));
    EXPECT_EQ(answered(keep, {3, 5, 3}, false), everything());
}

TEST_F(Repeats, WhatTheUserHadInTrainingIsLeftOutLikewise) {
    model_.seen[2] = {7, 9, 7};
    const Snapshot keep = written(kKeep);
    EXPECT_EQ(answered(keep, {3}, std::nullopt, "user-2"), everything());
    EXPECT_EQ(answered(keep, {3}, true, "user-2"), everything_but({3, 7, 9}));
}

TEST_F(Repeats, EveryUserIsAnsweredAsRecommendWould) {
    model_.seen[1] = {4, 4, 2, 4};
    for (const char* config : {kFirst, kKeep, kMerge, kShift}) {
        const Snapshot snapshot = written(config);
        for (const std::optional<bool> exclude : {std::optional<bool>(), std::optional(true)}) {
            Request request{5};
            request.exclude_seen = exclude;
            const Poll poll;
            const auto all = Recommender(snapshot, request, poll).answer_users(0, model_.users());
            const auto one = recommend(snapshot, {"user-1", ids({4, 4, 2, 4})}, request, {});
            ASSERT_EQ(all[1].items.size(), one.items.size());
            for (std::size_t i = 0; i < one.items.size(); ++i) {
                EXPECT_EQ(all[1].items[i].item, one.items[i].item) << config;
                EXPECT_FLOAT_EQ(all[1].items[i].score, one.items[i].score) << config;
            }
        }
    }
}

/// All places of an item go at once, and what then lies side by side is merged where the model merges.
TEST_F(Repeats, ExplainLeavesOutEveryPlaceOfAnItem) {
    const Indexes clicks = {1, 7, 8, 7, 2, 3, 7, 8, 7};  // of which the last six count
    for (const char* config : {kKeep, kMerge, kShift}) {
        const Snapshot snapshot = written(config);
        const auto score = [&](const Indexes& after, std::int32_t item) {
            return score_of(snapshot, asker_query(snapshot, {"nobody", ids(after)}, true, {}), item);
        };
        const auto reasons = explain(snapshot, {"nobody", ids(clicks)}, everything(), true, {});
        for (const std::int32_t item : everything()) {
            float most = -2;
            std::int32_t click = -1;
            for (const std::int32_t left_out : {7, 8, 3, 2}) {  // latest first
                Indexes rest = clicks;
                std::erase(rest, left_out);
                const float loss = score(clicks, item) - score(rest, item);
                if (loss <= most) continue;
                most = loss;
                click = loss > 0 ? left_out : -1;
            }
            const Reason& reason = reasons[static_cast<std::size_t>(item)];
            EXPECT_EQ(reason.click, click) << item;
            EXPECT_NEAR(reason.contribution, most, 1e-6) << item;
        }
    }
}

TEST_F(Repeats, HaveTheAgeOfTheirLatestPlace) {
    const Indexes clicks = {9, 1, 2, 3, 1, 2, 1};  // 1 is the latest
    std::vector<std::pair<std::int32_t, std::int32_t>> found;
    for (const AgedItem& item : ages_of(clicks)) found.emplace_back(item.item, item.age);
    EXPECT_EQ(found, (std::vector<std::pair<std::int32_t, std::int32_t>>{{1, 0}, {2, 1}, {3, 2}, {9, 3}}));
    Indexes many(1000, 0);
    for (std::int32_t i = 0; i < 1000; ++i) many[static_cast<std::size_t>(i)] = i;
    EXPECT_EQ(ages_of(many).size(), kMostAged);
    EXPECT_EQ(ages_of(many).front().item, 872);
    EXPECT_EQ(ages_of(many).front().age, kAges - 1);
    EXPECT_TRUE(ages_of({}).empty());
}

/// By the definition, every item scored and sorted, however it is asked for.
TEST_F(Repeats, AreShiftedByTheirAge) {
    const Snapshot plain = written(kKeep);
    const Indexes clicks = {11, 6, 4, 6};  // 6 age 0, 4 age 1, 11 age 2
    const std::string_view nobody = "nobody";
    const auto views = ids(clicks);
    std::vector<ScoredItem> definition[2];  // fast and exact
    for (const bool exact : {false, true}) {
        const Query query = asker_query(plain, {nobody, views}, exact, {});
        for (const std::int32_t item : everything()) {
            const float shift = item == 6 ? -0.7F : item == 4 ? 0.4F : item == 11 ? 0.2F : 0;
            definition[exact].push_back({item, score_of(plain, query, item) + shift});
        }
        std::ranges::sort(definition[exact], better);
    }
    const Snapshot snapshot = written(kShift);
    for (const ScoredItem& item : definition[true])
        EXPECT_FLOAT_EQ(score_of(snapshot, asker_query(snapshot, {nobody, views}, true, {}), item.item),
                        item.score);
    const Indexes few = {4, 6, 8, 11};
    const auto few_ids = ids(few);
    const Candidates allowed(snapshot.items(), std::span(few_ids), {});
    for (const bool exact : {false, true})
        for (const bool candidates : {false, true}) {
            const std::vector<ScoredItem>& all = definition[exact];
            Request request{7};
            request.exact = exact;
            request.min_score = -0.8F;
            if (candidates) request.candidates = &allowed;
            std::vector<ScoredItem> wanted = all;
            std::erase_if(wanted, [&](const ScoredItem& item) {
                return item.score < -0.8F || (candidates && std::ranges::find(few, item.item) == few.end());
            });
            wanted.resize(std::min<std::size_t>(7, wanted.size()));
            const auto found = recommend(snapshot, {"nobody", ids(clicks)}, request, {}).items;
            ASSERT_EQ(found.size(), wanted.size());
            for (std::size_t i = 0; i < found.size(); ++i) {
                EXPECT_EQ(found[i].item, wanted[i].item) << i;
                EXPECT_NEAR(found[i].score, wanted[i].score, 1e-5) << i;
            }
        }
    EXPECT_EQ(answered(snapshot, clicks, true), everything_but({4, 6, 11}));
}

TEST_F(Repeats, BadShiftsAreRefused) {
    for (const char* shifts : {"[1]", "[0, 0, 0, 0, 0, 0, 0, null]", "{}"}) {
        model_.config =
            std::string(R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 6, "repeats": "keep",
                                        "repeat_shifts": )") +
            shifts + "}";
        model_.write(path_);
        EXPECT_EQ(testing::error_of([&] { Snapshot::open(path_); }), sqlstate::kDataCorrupted) << shifts;
    }
}

}  // namespace
}  // namespace seqrec
