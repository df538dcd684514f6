// The best k of what is offered, in any order.
#include "core/scan/best.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <stdexcept>

namespace seqrec {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

std::vector<std::int32_t> best_items(Best best) {
    std::vector<std::int32_t> items;
    for (const ScoredItem& item : std::move(best).sorted({})) items.push_back(item.item);
    return items;
}

using Items = std::vector<std::int32_t>;

TEST(Best, ComesInOrderWhateverTheOrderOfOffers) {
    std::vector<ScoredItem> offers;
    for (std::int32_t i = 0; i < 500; ++i)
        offers.push_back({i, static_cast<float>(i % 50)});  // ten of each score
    std::mt19937 engine(1);
    for (int round = 0; round < 20; ++round) {
        std::ranges::shuffle(offers, engine);
        Best best(12, 500, kLowest);
        for (const ScoredItem& offer : offers) best.offer(offer);
        EXPECT_EQ(best_items(std::move(best)),
                  (Items{49, 99, 149, 199, 249, 299, 349, 399, 449, 499, 48, 98}));
    }
}

TEST(Best, RaisesItsBoundOnceItIsFull) {
    Best best(2, 10, 0.25f);
    EXPECT_EQ(best.bound(), 0.25f);
    best.offer({0, 0.2f});  // too low
    best.offer({1, 0.25f});
    EXPECT_FALSE(best.full());
    EXPECT_EQ(best.bound(), 0.25f);
    best.offer({2, 0.5f});
    EXPECT_TRUE(best.full());
    EXPECT_EQ(best.bound(), 0.25f);
    best.offer({3, 0.75f});
    EXPECT_EQ(best.bound(), 0.5f);
    EXPECT_EQ(best_items(std::move(best)), (Items{3, 2}));
}

TEST(Best, TakesNoNumberThatIsNone) {
    Best best(3, 10, kLowest);
    best.offer({0, NAN});
    best.offer({1, kLowest});
    EXPECT_EQ(best_items(std::move(best)), Items{1});
    EXPECT_FALSE(better({0, NAN}, {1, 0}));
    EXPECT_FALSE(better({1, 0}, {0, NAN}));
}

TEST(Best, NeverHoldsMoreThanThereAre) {
    EXPECT_TRUE(Best(0, 10, kLowest).wants_none());
    EXPECT_TRUE(Best(-5, 10, kLowest).wants_none());
    EXPECT_TRUE(Best(5, 0, kLowest).wants_none());
    Best all(std::numeric_limits<std::int64_t>::max(), 3, kLowest);  // room for three
    for (std::int32_t i = 0; i < 3; ++i) all.offer({i, 1});
    EXPECT_TRUE(all.full());
    EXPECT_EQ(best_items(std::move(all)), (Items{0, 1, 2}));
}

TEST(Best, SortingManyMayBeStopped) {
    constexpr std::int32_t kMany = 3 * kPollEvery;
    Best best(kMany, kMany, kLowest);
    for (std::int32_t i = 0; i < kMany; ++i) best.offer({i, static_cast<float>(i)});
    int polls = 0;
    EXPECT_THROW(std::move(best).sorted([&] {
        if (++polls == 2) throw std::runtime_error("enough");
    }),
                 std::runtime_error);
}

}  // namespace
}  // namespace seqrec
