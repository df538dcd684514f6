#include "core/measure/pair_metrics.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace seqrec {
namespace {

// Ten rows with everything worked out by hand.
const std::vector<ScoredPair> kTen = {{0.95f, true}, {0.9f, true},   {0.8f, false}, {0.8f, true},
                                      {0.6f, true},  {0.55f, false}, {0.4f, false}, {0.3f, true},
                                      {0.2f, false}, {0.05f, false}};

TEST(PairMetrics, TenRows) {
    const auto m = pair_metrics(kTen, 0.5f);
    // Negatives below each positive: .95: 5, .9: 5, .8: 4 and a tie, .6: 4, .3: 2 of 25.
    EXPECT_NEAR(m["auc"], (5 + 5 + 4.5 - 0 + 4 + 2) / 25.0, 1e-12);
    EXPECT_NEAR(m["accuracy"], 0.7, 1e-12);
    EXPECT_NEAR(m["precision"], 4 / 6.0, 1e-12);
    EXPECT_NEAR(m["recall"], 0.8, 1e-12);
    EXPECT_NEAR(m["f1"], 8 / 11.0, 1e-12);
    EXPECT_NEAR(m["brier"], (0.0025 + 0.01 + 0.64 + 0.04 + 0.16 + 0.3025 + 0.16 + 0.49 + 0.04 + 0.0025) / 10,
                1e-6);
    EXPECT_NEAR(m["log_loss"],
                -(std::log(.95) + std::log(.9) + std::log(.2) + std::log(.8) + std::log(.6) + std::log(.45) +
                  std::log(.6) + std::log(.3) + std::log(.8) + std::log(.95)) /
                    10,
                1e-6);
    EXPECT_EQ(m["pairs_evaluated"], 10);
    EXPECT_FLOAT_EQ(m["threshold"], 0.5f);
}

TEST(PairMetrics, ReliabilityIsOfFifteenBinsAndEceIsItsWeightedGap) {
    const auto m = pair_metrics({{0.1f, false}, {0.12f, true}, {1.0f, true}}, 0.5f);
    ASSERT_EQ(m["reliability"].size(), 2u);
    EXPECT_EQ(m["reliability"][0]["pairs"], 2);
    EXPECT_NEAR(m["reliability"][0]["probability"], 0.11, 1e-6);
    EXPECT_NEAR(m["reliability"][0]["positives"], 0.5, 1e-12);
    EXPECT_NEAR(m["reliability"][1]["to"], 1.0, 1e-12);
    EXPECT_NEAR(m["ece"], 2 / 3.0 * 0.39, 1e-6);
}

TEST(PairMetrics, WhatOneOutcomeAloneCantSayIsNull) {
    const auto m = pair_metrics({{0.7f, true}, {0.2f, true}}, 0.5f);
    EXPECT_TRUE(m["auc"].is_null());
    EXPECT_NEAR(m["recall"], 0.5, 1e-12);
    const auto none = pair_metrics({}, 0.5f);
    EXPECT_TRUE(none["auc"].is_null() && none["log_loss"].is_null() && none["accuracy"].is_null());
    EXPECT_EQ(none["pairs_evaluated"], 0);
}

TEST(PairMetrics, CertaintyThatIsWrongStaysFinite) {
    EXPECT_NEAR(pair_metrics({{0.0f, true}, {1.0f, false}}, 0.5f)["log_loss"], -std::log(1e-7), 1e-3);
}

TEST(BestThreshold, IsWhereF1IsBest) {
    EXPECT_FLOAT_EQ(best_threshold(kTen), 0.6f);  // 4 of 5 right of 5 positives: f1 .8; from .3 on 10 / 13
    EXPECT_FLOAT_EQ(best_threshold({}), 0.5f);
    EXPECT_FLOAT_EQ(best_threshold({{0.3f, false}}), 0.5f);
}

}  // namespace
}  // namespace seqrec
