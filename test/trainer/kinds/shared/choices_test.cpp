// What the data decide where options leave it open.
#include "kinds/shared/choices.hpp"

#include <gtest/gtest.h>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

/// A hundred users of ten items each, of whom an earlier model knows the first so many whole.
std::int64_t epochs_after(int known, std::int64_t trained_epochs) {
    testing::Shop shop(testing::Sequences(100, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), 10);
    std::vector<double> seen;
    for (int u = 0; u < 100; ++u) seen.push_back(u < known ? 1e9 : -1);
    shop.data.know_until(seen);
    return choose_epochs(shop.data, json{{"trained_epochs", trained_epochs}});
}

TEST(Epochs, OfAFreshTrainingAreManyAndOfAnUpdateAFifth) {
    const testing::Shop shop({{0, 1, 2}}, 3);
    EXPECT_EQ(choose_epochs(shop.data, json()), 200);
    EXPECT_EQ(epochs_after(0, 40), 8);
    EXPECT_EQ(epochs_after(0, 5), 4);
    EXPECT_EQ(epochs_after(0, 100), 20);
}

/// A pass reads a quarter of what is known whole, so that more of them cost as much.
TEST(Epochs, AreMoreWhereLittleIsNew) {
    EXPECT_EQ(epochs_after(100, 20), 10);  // sixteen would cost as much as four: ten are enough
    EXPECT_EQ(epochs_after(50, 20), 6);    // 4 / .625
    EXPECT_EQ(epochs_after(100, 100), 20);
}

}  // namespace
}  // namespace seqrec::trainer
