#include "core/measure/ranked_metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace seqrec {
namespace {

double value_of(const std::vector<Figure>& figures, std::string_view metric, std::int32_t k) {
    for (const Figure& figure : figures)
        if (figure.metric == metric && figure.k == k) return figure.value;
    ADD_FAILURE() << "no " << metric << "@" << k;
    return 0;
}

TEST(RankingFigures, AreThoseWrittenOutByHand) {
    const std::vector<std::int64_t> ranks = {0, 2, kNotRanked, 9};
    const auto at5 = ranking_figures(ranks, 5);
    EXPECT_DOUBLE_EQ(value_of(at5, "hr", 5), 2.0 / 4);
    EXPECT_DOUBLE_EQ(value_of(at5, "recall", 5), 2.0 / 4);
    EXPECT_DOUBLE_EQ(value_of(at5, "precision", 5), 2.0 / 20);
    EXPECT_DOUBLE_EQ(value_of(at5, "ndcg", 5), (1 + 1 / std::log2(4)) / 4);
    EXPECT_DOUBLE_EQ(value_of(at5, "mrr", 5), (1 + 1.0 / 3) / 4);
    EXPECT_DOUBLE_EQ(value_of(at5, "map", 5), (1 + 1.0 / 3) / 4);
    const auto at10 = ranking_figures(ranks, 10);
    EXPECT_DOUBLE_EQ(value_of(at10, "hr", 10), 3.0 / 4);
    EXPECT_DOUBLE_EQ(value_of(at10, "mrr", 10), (1 + 1.0 / 3 + 1.0 / 10) / 4);
    EXPECT_TRUE(std::isnan(value_of(ranking_figures({}, 5), "hr", 5)));
}

TEST(RankAgainst, CountsTiesAgainstTheItem) {
    const std::vector<ScoredItem> list = {{4, 9}, {1, 7}, {2, 7}, {3, 7}, {5, 1}};
    EXPECT_EQ(rank_against(list, 4, 6), 0);
    EXPECT_EQ(rank_against(list, 1, 6), 3);  // two others score the same
    EXPECT_EQ(rank_against(list, 3, 6), 3);
    EXPECT_EQ(rank_against(list, 5, 6), 4);  // the list is shorter than it may be: nothing follows
    EXPECT_EQ(rank_against(list, 5, 5), kNotRanked);
    EXPECT_EQ(rank_against(list, 8, 6), kNotRanked);
}

TEST(ListFigures, AreThoseWrittenOutByHand) {
    // Four items in the plane; two at a right angle, the third opposite to the first, the fourth of no direction.
    const std::vector<float> matrix = {2, 0, 0, 3, -1, 0, 0, 0}, unit = {0.5f, 1 / 3.0f, 1, 0};
    const std::vector<std::int64_t> counts = {8, 4, 4, 0};
    const Rows rows{matrix, unit};
    ListFigures lists({1, 2, 3}, counts, rows);
    lists.add(std::vector<ScoredItem>{{0, 9}, {1, 8}, {2, 7}, {3, 6}});
    lists.add(std::vector<ScoredItem>{{1, 9}, {3, 8}});
    const auto figures = lists.figures();
    EXPECT_DOUBLE_EQ(value_of(figures, "coverage", 1), 2.0 / 4);
    EXPECT_DOUBLE_EQ(value_of(figures, "coverage", 2), 3.0 / 4);
    EXPECT_DOUBLE_EQ(value_of(figures, "coverage", 3), 1);
    // Shares 1/2, 1/4, 1/4, and one in sixteen for the item that nobody had: 1, 2, 2 and 4 bits.
    EXPECT_DOUBLE_EQ(value_of(figures, "novelty", 1), (1 + 2.0) / 2);
    EXPECT_DOUBLE_EQ(value_of(figures, "novelty", 2), ((1 + 2) / 2.0 + (2 + 4) / 2.0) / 2);
    EXPECT_DOUBLE_EQ(value_of(figures, "novelty", 3), ((1 + 2 + 2) / 3.0 + 3) / 2);  // the second has two
    EXPECT_TRUE(std::isnan(value_of(figures, "diversity", 1)));
    EXPECT_NEAR(value_of(figures, "diversity", 2), 1, 1e-7);
    EXPECT_NEAR(value_of(figures, "diversity", 3), ((1 + 1 + 2) / 3.0 + 1) / 2, 1e-7);
}

}  // namespace
}  // namespace seqrec
