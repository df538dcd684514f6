#include "core/measure/baselines.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/measure/ease.hpp"

namespace seqrec {
namespace {

using Items = std::vector<std::int32_t>;

/// Ten interactions of four users with five items, of which nobody had the last.
const std::vector<Items> kUsers = {{0, 1, 2}, {0, 1, 0}, {1, 2}, {3, 0}};

Teaching teaching(bool keeps_repeats = false) { return {5, {kUsers.begin(), kUsers.end()}, keeps_repeats}; }

/// The rank of each item after some clicks; -1 for those that are hidden.
std::vector<std::int64_t> ranks(Baseline& baseline, const Items& clicks, bool keeps_repeats = false) {
    Before before(5, keeps_repeats);
    before.set(Items{4, 3});  // is forgotten
    before.set(clicks);
    std::vector<std::int64_t> all;
    for (std::int32_t item = 0; item < 5; ++item)
        all.push_back(before.hides(item) ? -1 : baseline.rank(before, item));
    return all;
}

TEST(Baselines, PopularityIsByCountThenIndex) {
    const Popularity popularity(teaching());
    EXPECT_EQ(popularity.counts, (std::vector<std::int64_t>{4, 3, 2, 1, 0}));
    const auto baseline = popularity_baseline(popularity);
    EXPECT_EQ(ranks(*baseline, {3}), (std::vector<std::int64_t>{0, 1, 2, -1, 3}));
    EXPECT_EQ(ranks(*baseline, {0, 2}), (std::vector<std::int64_t>{-1, 0, -1, 1, 2}));
    EXPECT_EQ(ranks(*baseline, {0, 2}, true), (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
}

TEST(Baselines, MarkovIsByWhatFollowedTheLatest) {
    const Popularity popularity(teaching());
    const auto baseline = markov_baseline(teaching(), popularity);
    // After 1 came 2 twice and 0 once; the others follow by popularity.
    EXPECT_EQ(ranks(*baseline, {3, 1}), (std::vector<std::int64_t>{1, -1, 0, -1, 2}));
    EXPECT_EQ(ranks(*baseline, {3, 1}, true), (std::vector<std::int64_t>{1, 2, 0, 3, 4}));
    EXPECT_EQ(ranks(*baseline, {4}), (std::vector<std::int64_t>{0, 1, 2, 3, -1}));
}

TEST(Baselines, UnknownItemsTeachNothing) {
    const Items odd = {0, 7, 1, -1};
    Teaching with = teaching();
    with.users.push_back(odd);
    const Popularity popularity(with);
    EXPECT_EQ(popularity.counts, (std::vector<std::int64_t>{5, 4, 2, 1, 0}));
    EXPECT_EQ(ranks(*markov_baseline(with, popularity), {0}), (std::vector<std::int64_t>{-1, 0, 1, 2, 3}));
}

TEST(Baselines, ItemKnnIsByTheSumOfCosines) {
    const Popularity popularity(teaching());
    const auto baseline = item_knn_baseline(teaching(), popularity, 200, {});
    // Users of 0: three, of 1: three, of 2: two, of 3: one. Cosines: 01 = 2/3, 02 = 1/sqrt(6), 03 = 1/sqrt(3),
    // 12 = 2/sqrt(6), all others 0.
    EXPECT_EQ(ranks(*baseline, {0}), (std::vector<std::int64_t>{-1, 0, 2, 1, 3}));      // .667 .408 .577
    EXPECT_EQ(ranks(*baseline, {1}), (std::vector<std::int64_t>{1, -1, 0, 2, 3}));      // .667 .816
    EXPECT_EQ(ranks(*baseline, {0, 1}), (std::vector<std::int64_t>{-1, -1, 0, 1, 2}));  // 1.22 .577
    const auto nearest = item_knn_baseline(teaching(), popularity, 1, {});
    EXPECT_EQ(ranks(*nearest, {0}), (std::vector<std::int64_t>{-1, 0, 1, 2, 3}));  // 1 alone is near to 0
}

TEST(Baselines, EaseOfTwoItemsIsTheClosedForm) {
    // G = [[2, 1], [1, 1]] + I; P = [[2, -1], [-1, 3]] / 5: B_01 = 1/3 (of 0 to 1), B_10 = 1/2.
    SymmetricMatrix gram(2);
    gram.at(0, 0) = 3;
    gram.at(1, 0) = 1;
    gram.at(1, 1) = 2;
    gram.invert({});
    EXPECT_NEAR(gram.at(0, 0), 2 / 5.0, 1e-6);
    EXPECT_NEAR(gram.at(0, 1), -1 / 5.0, 1e-6);
    EXPECT_NEAR(gram.at(1, 1), 3 / 5.0, 1e-6);
    std::vector<float> row(2);
    gram.subtract_row(1, row);
    EXPECT_NEAR(row[0], 1 / 5.0, 1e-6);
    EXPECT_NEAR(row[1], -3 / 5.0, 1e-6);
}

TEST(Baselines, EaseRanksByWhatTheItemsOfAUserTell) {
    const Popularity popularity(teaching());
    const auto baseline = ease_baseline(teaching(), popularity, 1, {});
    // 40 P = [[16, -8, 0, -8], [-8, 19, -10, 4], [0, -10, 20, 0], [-8, 4, 0, 24]]; of item 4 nothing is known. B from 0:
    // .42 to 1, .33 to 3; from 1: .5 to 0 and 2, -.17 to 3; from 3: .5 to 0, -.21 to 1.
    const auto after0 = ranks(*baseline, {0}), after1 = ranks(*baseline, {1}), after3 = ranks(*baseline, {3});
    EXPECT_EQ((Items{0, 1}),
              (Items{static_cast<std::int32_t>(after0[1]), static_cast<std::int32_t>(after0[3])}));
    EXPECT_EQ(after1[4], 2);
    EXPECT_EQ(after1[3], 3);
    EXPECT_EQ(after3[0], 0);
    EXPECT_EQ(after3[1], 3);
    // The sum from 0 and 1: .5 to 2, .17 to 3.
    EXPECT_EQ(ranks(*baseline, {0, 1}), (std::vector<std::int64_t>{-1, -1, 0, 1, 2}));
    EXPECT_EQ(ranks(*baseline, {1}, true)[1], 2);  // an item says nothing of itself
}

/// A positive definite matrix over several tiles, and its inverse by the book.
TEST(SymmetricMatrix, InvertsAcrossTiles) {
    constexpr std::int64_t kSize = 300;
    std::mt19937 engine(3);
    std::vector<std::vector<double>> values(kSize, std::vector<double>(kSize));
    SymmetricMatrix matrix(kSize);
    for (std::int64_t i = 0; i < kSize; ++i)
        for (std::int64_t j = 0; j <= i; ++j)
            matrix.at(i, j) = static_cast<float>(
                values[i][j] = values[j][i] = static_cast<double>(engine() % 100) / 50 + (i == j ? 600 : 0));
    int polls = 0;
    matrix.invert([&] { ++polls; });
    EXPECT_GT(polls, 3);
    for (std::int64_t i = 0; i < kSize; i += 37) {
        std::vector<float> minus_row(kSize);
        matrix.subtract_row(i, minus_row);
        for (std::int64_t j = 0; j < kSize; ++j) {
            double product = 0;
            for (std::int64_t k = 0; k < kSize; ++k)
                product -= static_cast<double>(minus_row[static_cast<std::size_t>(k)]) * values[k][j];
            EXPECT_NEAR(product, i == j, 1e-4) << i << ", " << j;
        }
    }
}

TEST(SymmetricMatrix, RefusesWhatHasNoSuchInverse) {
    SymmetricMatrix matrix(2);
    EXPECT_THROW(matrix.invert({}), std::runtime_error);
}

}  // namespace
}  // namespace seqrec
