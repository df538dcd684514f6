// Metrics of ranks that are worked out by hand.
#include "measure/ranking_metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace seqrec::trainer {
namespace {

TEST(RankingMetrics, AreMeansOverTheQuestions) {
    const auto metrics = ranking_metrics({0, 1, 9, 10});
    EXPECT_DOUBLE_EQ(metrics.at("hr@1"), 0.25);
    EXPECT_DOUBLE_EQ(metrics.at("hr@5"), 0.5);
    EXPECT_DOUBLE_EQ(metrics.at("hr@10"), 0.75);
    EXPECT_DOUBLE_EQ(metrics.at("hr@20"), 1);
    EXPECT_DOUBLE_EQ(metrics.at("mrr@10"), (1 + 1 / 2.0 + 1 / 10.0) / 4);
    EXPECT_DOUBLE_EQ(metrics.at("mrr@20"), (1 + 1 / 2.0 + 1 / 10.0 + 1 / 11.0) / 4);
    EXPECT_DOUBLE_EQ(metrics.at("ndcg@5"), (1 + 1 / std::log2(3.0)) / 4);
    EXPECT_DOUBLE_EQ(metrics.at("ndcg@10"), (1 + 1 / std::log2(3.0) + 1 / std::log2(11.0)) / 4);
    EXPECT_EQ(metrics.at("ndcg@1"), metrics.at("hr@1"));
}

TEST(RankingMetrics, AreNullWithoutQuestions) {
    const auto metrics = ranking_metrics({});
    for (const auto& [name, value] : metrics.items()) EXPECT_TRUE(value.is_null()) << name;
    EXPECT_EQ(metrics.size(), 15u);
}

}  // namespace
}  // namespace seqrec::trainer
