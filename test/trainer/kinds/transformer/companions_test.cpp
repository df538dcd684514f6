// What counting says of items, by the definition, without who asks.
#include "kinds/transformer/companions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

/// The last two of each are held out.
const std::vector<std::vector<std::int32_t>> kSequences = {
    {0, 1, 2, 8, 9}, {0, 1, 3, 8, 9}, {0, 4, 8, 9}, {5, 6, 8, 9}};

std::map<std::int32_t, float> company(const Companions& companions, std::int32_t user,
                                      const std::vector<std::int32_t>& clicks) {
    std::map<std::int32_t, float> found;
    for (const auto& [item, score] : Company(companions).after(user, clicks)) found[item] = score;
    return found;
}

TEST(Companions, CompanyIsTheSumOfCosinesToTheClicks) {
    const testing::Shop shop(kSequences, 10);
    const Companions companions(shop.data);
    const auto found = company(companions, -1, {4, 0});
    EXPECT_NEAR(found.at(1), 2 / std::sqrt(3.0 * 2), 1e-5);
    EXPECT_NEAR(found.at(3), 1 / std::sqrt(3.0 * 1), 1e-5);
    EXPECT_NEAR(found.at(4), 1 / std::sqrt(3.0) + 0.8 / 1, 1e-5) << "the click before counts less";
    EXPECT_FALSE(found.contains(5)) << "nobody had both";
    EXPECT_FALSE(found.contains(8)) << "held out";
}

/// Of a user who was there, 2 would have been said by herself alone.
TEST(Companions, WhoAsksDoesNotCount) {
    const testing::Shop shop(kSequences, 10);
    const Companions companions(shop.data);
    EXPECT_TRUE(company(companions, -1, {0, 1}).contains(2));
    const auto found = company(companions, 0, {0, 1});
    EXPECT_FALSE(found.contains(2));
    EXPECT_NEAR(found.at(3), 1 / std::sqrt(2.0) + 0.8 / std::sqrt(3.0), 1e-5);
}

TEST(Companions, TheirLogarithmIsAddedToScores) {
    const testing::Shop shop(kSequences, 10);
    const Companions companions(shop.data);
    const auto found = company(companions, -1, {0});
    std::vector<float> scores(10, 1.0f);
    const std::vector<std::int32_t> clicks = {0};
    Company(companions).add_to(scores, 0.5f, -1, clicks);
    EXPECT_NEAR(scores[1], 1 + 0.5 * std::log(1 + found.at(1) / Company::kLittle), 1e-5);
    EXPECT_EQ(scores[5], 1);
}

/// An item that very many had is asked of some of them, evenly, and its sums stand for all.
TEST(Companions, OfVeryManyUsersSomeStandForAll) {
    std::vector<std::vector<std::int32_t>> sequences;
    for (int u = 0; u < 1000; ++u) sequences.push_back({0, 1 + u % 2, 8, 9});
    const testing::Shop shop(sequences, 10);
    const auto found = company(Companions(shop.data), -1, {0});
    EXPECT_NEAR(found.at(1), 500 / std::sqrt(1000.0 * 500), 0.05);
}

}  // namespace
}  // namespace seqrec::trainer
