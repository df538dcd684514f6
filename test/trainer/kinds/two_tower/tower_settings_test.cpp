// What the data decides where an option is null.
#include "kinds/two_tower/tower_settings.hpp"

#include "core/options.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

TowerSettings settings(const json& given, const json& earlier = nullptr) {
    const testing::Shop shop(testing::walks(50, 20, 8), 20);
    return {resolve_options("two_tower", given), shop.data, earlier};
}

TEST(TowerSettings, NullIsDecidedFromTheData) {
    const TowerSettings small = settings(json::object());
    EXPECT_EQ(small.max_len, 10);
    EXPECT_EQ(small.hidden, 4 * small.dim);
    EXPECT_EQ(small.batch, 512);
    EXPECT_EQ(small.epochs, 200);
    EXPECT_TRUE(small.all_items);
    EXPECT_EQ(small.dropout, 0.4);
    EXPECT_EQ(small.negatives, 4096);
}

TEST(TowerSettings, WhatIsGivenStays) {
    const TowerSettings given =
        settings({{"max_len", 7}, {"hidden", 40}, {"batch", 99}, {"candidates", "batch"}});
    EXPECT_EQ(given.max_len, 7);
    EXPECT_EQ(given.hidden, 40);
    EXPECT_EQ(given.batch, 99);
    EXPECT_FALSE(given.all_items);
    EXPECT_FALSE(settings({{"loss", "bce"}}).all_items);
    EXPECT_EQ(settings({{"loss", "bce"}}).negatives, 512);
    EXPECT_EQ(settings({{"loss", "bce"}}).to_json().at("loss"), "bce");
}

TEST(TowerSettings, AnEarlierModelIsTrainedMoreGently) {
    const TowerSettings again = settings(json::object(), {{"trained_epochs", 60}});
    EXPECT_EQ(again.epochs, 12);
    EXPECT_LT(again.learning_rate, settings(json::object()).learning_rate);
    EXPECT_EQ(again.cool_down, 1);
}

}  // namespace
}  // namespace seqrec::trainer
