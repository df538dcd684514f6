#include "core/scan/top_k.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "core/scan/dot_product.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<std::int32_t> items_of(const std::vector<ScoredItem>& scored) {
    std::vector<std::int32_t> items;
    for (const ScoredItem& item : scored) items.push_back(item.item);
    return items;
}

using Items = std::vector<std::int32_t>;

Items best_of(const std::vector<float>& scores, std::int64_t k, const Items& excluded = {}) {
    ItemFilter filter(static_cast<std::int64_t>(scores.size()));
    filter.exclude(excluded);
    return items_of(top_k(scores, filter, {k}));
}

/// All items in order, by sorting.
Items sorted_items(const std::vector<float>& scores, const ItemFilter& filter, std::size_t k) {
    Items items;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(scores.size()); ++i)
        if (filter.admits(i) && !std::isnan(scores[static_cast<std::size_t>(i)])) items.push_back(i);
    std::stable_sort(items.begin(), items.end(), [&](std::int32_t a, std::int32_t b) {
        return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    items.resize(std::min(items.size(), k));
    return items;
}

TEST(TopK, BestFirst) {
    EXPECT_EQ(best_of({0.1f, 0.9f, -1, 0.5f}, 2), (Items{1, 3}));
    EXPECT_EQ(best_of({0.1f, 0.9f, -1, 0.5f}, 4), (Items{1, 3, 0, 2}));
}

TEST(TopK, KeepsTheScores) {
    const std::vector<float> scores{1, 3, 2};
    const auto best = top_k(scores, ItemFilter(3), {3});
    EXPECT_EQ(best[0].score, 3);
    EXPECT_EQ(best[1].score, 2);
    EXPECT_EQ(best[2].score, 1);
}

TEST(TopK, TiesGoToTheSmallerIndex) {
    EXPECT_EQ(best_of({1, 2, 2, 1, 2, 0}, 4), (Items{1, 2, 4, 0}));
    EXPECT_EQ(best_of(std::vector<float>(1000, 0.5f), 3), (Items{0, 1, 2}));
    EXPECT_EQ(best_of({-0.0f, 0.0f, -0.0f}, 2), (Items{0, 1}));
}

TEST(TopK, MoreThanThereAre) {
    EXPECT_EQ(best_of({1, 2}, 3), (Items{1, 0}));
    EXPECT_EQ(best_of({1, 2}, std::numeric_limits<std::int64_t>::max()), (Items{1, 0}));
    EXPECT_EQ(best_of({}, 5), Items{});
}

TEST(TopK, NoneWanted) {
    EXPECT_EQ(best_of({1, 2}, 0), Items{});
    EXPECT_EQ(best_of({1, 2}, std::numeric_limits<std::int64_t>::min()), Items{});
}

TEST(TopK, ExcludedItemsAreSkipped) {
    EXPECT_EQ(best_of({5, 4, 3, 2}, 2, {0, 2}), (Items{1, 3}));
    EXPECT_EQ(best_of({5, 4, 3, 2}, 4, {0, 1, 2, 3}), Items{});
}

TEST(TopK, NaNIsNeverReturned) {
    EXPECT_EQ(best_of({NAN, 1, NAN, -kInfinity, kInfinity, NAN}, 6), (Items{4, 1, 3}));
    EXPECT_EQ(best_of({NAN, NAN}, 1), Items{});
    EXPECT_EQ(best_of({1, NAN, 2}, 1), Items{2});
}

TEST(TopK, NothingBelowTheLeastScore) {
    const std::vector<float> scores{0.1f, 0.9f, -1, 0.5f, 0.5f};
    EXPECT_EQ(items_of(top_k(scores, ItemFilter(5), {10, 0.5f})), (Items{1, 3, 4}));
    EXPECT_EQ(items_of(top_k(scores, ItemFilter(5), {2, 0.5f})), (Items{1, 3}));
    EXPECT_EQ(items_of(top_k(scores, ItemFilter(5), {2, 0.95f})), Items{});
}

TEST(TopK, AgreesWithSorting) {
    std::mt19937 engine(7);
    for (int round = 0; round < 300; ++round) {
        std::vector<float> scores(std::uniform_int_distribution<std::size_t>(0, 2000)(engine));
        const int levels = round % 3 == 0 ? 5 : 1000000;  // few levels: many ties
        for (float& score : scores)
            score = static_cast<float>(std::uniform_int_distribution<int>(0, levels)(engine));
        Items every_seventh;
        for (std::size_t i = 0; i < scores.size(); i += 7)
            every_seventh.push_back(static_cast<std::int32_t>(i));
        ItemFilter excluded(static_cast<std::int64_t>(scores.size()));
        excluded.exclude(every_seventh);
        for (std::size_t i = 3; i < scores.size(); i += 11) scores[i] = NAN;
        const std::size_t k = std::uniform_int_distribution<std::size_t>(1, 300)(engine);
        ASSERT_EQ(items_of(top_k(scores, excluded, {static_cast<std::int64_t>(k)})),
                  sorted_items(scores, excluded, k));
    }
}

/// A matrix of small whole numbers: every kernel's sums are exact.
struct RandomRows {
    std::vector<float> matrix, scale, query, scores;

    RandomRows(std::size_t items, std::size_t dim, unsigned seed = 1)
        : matrix(items * dim), scale(items), query(dim), scores(items) {
        std::mt19937 engine(seed);
        const auto small = [&](int low) {
            return static_cast<float>(std::uniform_int_distribution<int>(low, 3)(engine));
        };
        for (float& x : matrix) x = small(-3);
        for (float& x : scale) x = small(1);
        for (float& x : query) x = small(-3);
        for (std::size_t i = 0; i < items; ++i)
            scores[i] =
                scale[i] * std::inner_product(query.begin(), query.end(),
                                              matrix.begin() + static_cast<std::ptrdiff_t>(i * dim), 0.0f);
    }

    Rows rows() const { return {matrix, scale}; }
    Items best(std::int64_t k, const ItemFilter& filter) const {
        return items_of(top_k(Rows{matrix, scale}, query, filter, {k}, {}));
    }
};

TEST(TopKScan, AgreesWithSortingForAnyDim) {
    for (const std::size_t dim : {1, 3, 8, 13, 16, 24, 64, 65}) {
        for (const std::size_t items : {1, 2, 255, 256, 257, 1000}) {
            const RandomRows catalogue(items, dim);
            Items every_fifth;
            for (std::size_t i = 1; i < items; i += 5) every_fifth.push_back(static_cast<std::int32_t>(i));
            ItemFilter excluded(static_cast<std::int64_t>(items));
            excluded.exclude(every_fifth);
            for (const std::size_t k : {1, 10, 2000})
                ASSERT_EQ(catalogue.best(static_cast<std::int64_t>(k), excluded),
                          sorted_items(catalogue.scores, excluded, k))
                    << "dim " << dim << " items " << items;
        }
    }
}

TEST(TopKScan, ReturnsTheScaledScore) {
    const std::vector<float> matrix{3, 4, 0, 2}, scale{0.2f, 0.5f}, query{0, 1};
    const auto best = top_k(Rows{matrix, scale}, query, ItemFilter(2), {2}, {});
    EXPECT_EQ(items_of(best), (Items{1, 0}));
    EXPECT_FLOAT_EQ(best[0].score, 1.0f);
    EXPECT_FLOAT_EQ(best[1].score, 0.8f);
}

TEST(TopKScan, EqualRowsTieWhereverTheyLie) {
    std::mt19937 engine(3);
    std::normal_distribution<float> normal;
    std::vector<float> row(24), query(24), matrix;
    for (float& x : row) x = normal(engine);
    for (float& x : query) x = normal(engine);
    for (int i = 0; i < 1027; ++i) matrix.insert(matrix.end(), row.begin(), row.end());
    const std::vector<float> scale(1027, 0.3f);
    Items all(1027);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(items_of(top_k(Rows{matrix, scale}, query, ItemFilter(1027), {1027}, {})), all);
}

TEST(TopKScan, ADamagedRowOrScaleCostsOnlyItself) {
    RandomRows catalogue(100, 8);
    catalogue.matrix[8 * 10 + 3] = NAN;
    catalogue.scale[20] = NAN;
    catalogue.scale[30] = kInfinity;
    const Items best = catalogue.best(100, ItemFilter(100));
    EXPECT_EQ(std::count(best.begin(), best.end(), 10), 0);
    EXPECT_EQ(std::count(best.begin(), best.end(), 20), 0);
    EXPECT_GE(best.size(), 97u);
}

TEST(TopKScan, PollsEveryFewThousandRowsAndMayBeStopped) {
    const RandomRows catalogue(20000, 2);
    int polls = 0;
    top_k(catalogue.rows(), catalogue.query, ItemFilter(20000), {10}, [&] { ++polls; });
    EXPECT_EQ(polls, 5);
    const auto stop = [&] {
        if (--polls == 2) throw Error("57014", "canceled");
    };
    EXPECT_EQ(error_of([&] { top_k(catalogue.rows(), catalogue.query, ItemFilter(20000), {10}, stop); }),
              "57014");
    EXPECT_EQ(polls, 2);
}

TEST(TopKScan, SizesThatDoNotAgreeAreRefused) {
    const RandomRows catalogue(10, 4);
    const auto refused = [&](std::size_t matrix, std::size_t scale, std::size_t query, std::int64_t set) {
        return error_of([&] {
                   top_k(Rows{std::span(catalogue.matrix).first(matrix),
                              std::span(catalogue.scale).first(scale)},
                         std::span(catalogue.query).first(query), ItemFilter(set), {1}, {});
               }) == sqlstate::kInternal;
    };
    EXPECT_FALSE(refused(40, 10, 4, 10));
    EXPECT_TRUE(refused(39, 10, 4, 10));
    EXPECT_TRUE(refused(36, 10, 4, 10));
    EXPECT_TRUE(refused(40, 9, 4, 10));
    EXPECT_TRUE(refused(40, 10, 3, 10));
    EXPECT_TRUE(refused(40, 10, 0, 10));
    EXPECT_TRUE(refused(40, 10, 4, 0));
    const std::vector<float> many(100);
    EXPECT_EQ(error_of([&] { top_k(many, ItemFilter(64), {1}); }), sqlstate::kInternal);
}

TEST(TopKScan, NoItems) { EXPECT_TRUE(top_k(Rows{}, std::vector<float>(4), ItemFilter(0), {3}, {}).empty()); }

}  // namespace
}  // namespace seqrec
