// What the data decides where an option is null, and how beta rises.
#include "kinds/vae/vae_settings.hpp"

#include "core/options.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

VaeSettings settings(const json& given, const json& earlier = nullptr) {
    const testing::Shop shop(testing::walks(50, 20, 8), 20);
    return {resolve_options("vae", given), shop.data, earlier};
}

TEST(VaeSettings, NullIsDecidedFromTheData) {
    const VaeSettings small = settings(json::object());
    EXPECT_EQ(small.max_len, 10);
    EXPECT_EQ(small.latent, small.dim);
    EXPECT_EQ(small.layers, 2);
    EXPECT_EQ(small.batch_tokens, 512);
    EXPECT_EQ(small.sampled_items, 0);
    EXPECT_EQ(small.next_items, 1);
    EXPECT_EQ(small.dropout, 0.4);
    EXPECT_TRUE(small.attention);
    EXPECT_EQ(settings({{"loss", "mse"}}).next_items, 4);
}

TEST(VaeSettings, WhatIsGivenStays) {
    const VaeSettings given =
        settings({{"latent", 7}, {"attention", false}, {"beta", 0.4}, {"next_items", 2}});
    EXPECT_EQ(given.latent, 7);
    EXPECT_FALSE(given.attention);
    EXPECT_EQ(given.beta, 0.4);
    EXPECT_EQ(given.next_items, 2);
    EXPECT_EQ(given.to_json().at("attention"), false);
    EXPECT_EQ(settings({{"loss", "mse"}}).to_json().at("loss"), "mse");
    EXPECT_EQ(given.course().options, given.to_json());
}

TEST(VaeSettings, BetaRisesAndIsHeld) {
    const VaeSettings given = settings({{"beta", 0.4}, {"anneal_share", 0.25}});
    EXPECT_EQ(given.beta_at(0), 0);
    EXPECT_DOUBLE_EQ(given.beta_at(0.125), 0.2);
    EXPECT_EQ(given.beta_at(0.25), 0.4);
    EXPECT_EQ(given.beta_at(1), 0.4);
    EXPECT_EQ(settings({{"beta", 0.4}, {"anneal_share", 0}}).beta_at(0), 0.4);
}

TEST(VaeSettings, AnEarlierModelIsTrainedMoreGently) {
    const VaeSettings again = settings(json::object(), {{"trained_epochs", 60}});
    EXPECT_EQ(again.epochs, 12);
    EXPECT_LT(again.learning_rate, settings(json::object()).learning_rate);
    EXPECT_EQ(again.cool_down, 1);
}

}  // namespace
}  // namespace seqrec::trainer
