// The ten best of many, and who comes first among equals.
#include "measure/ten_best.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "random.hpp"

namespace seqrec::trainer {
namespace {

std::vector<std::int64_t> best_of(const std::vector<float>& scores) {
    TenBest best;
    for (std::size_t i = 0; i < scores.size(); ++i) best.add(scores[i], static_cast<std::int64_t>(i));
    return {best.items().begin(), best.items().end()};
}

TEST(TenBest, FewerThanTenAreAllInOrder) {
    EXPECT_TRUE(best_of({}).empty());
    EXPECT_EQ(best_of({1, 3, 2}), (std::vector<std::int64_t>{1, 2, 0}));
}

TEST(TenBest, OfEqualOnesTheFirstStay) {
    EXPECT_EQ(best_of(std::vector<float>(15, 1)), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_EQ(best_of({1, 2, 2, 1}), (std::vector<std::int64_t>{1, 2, 0, 3}));
}

TEST(TenBest, WantsWhatBeatsTheTenth) {
    TenBest best;
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(best.wants(-1e30f));
        best.add(static_cast<float>(i), i);
    }
    EXPECT_FALSE(best.wants(0));
    EXPECT_TRUE(best.wants(0.5f));
    EXPECT_FALSE(best.wants(std::numeric_limits<float>::quiet_NaN()));
    best.add(100, 77);
    EXPECT_EQ(best.items().front(), 77);
    EXPECT_EQ(best.items().size(), 10U);
    EXPECT_FALSE(best.wants(1));  // the tenth is now 1
}

TEST(TenBest, AreThoseOfASort) {
    Random random(1);
    for (int round = 0; round < 50; ++round) {
        std::vector<float> scores(random.below(200));
        for (float& score : scores) score = static_cast<float>(random.below(40));  // many are equal
        std::vector<std::int64_t> order(scores.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
        std::ranges::stable_sort(order, [&](auto a, auto b) {
            return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
        });
        order.resize(std::min<std::size_t>(order.size(), 10));
        EXPECT_EQ(best_of(scores), order);
    }
}

}  // namespace
}  // namespace seqrec::trainer
