// Minima that are known.
#include "kinds/logistic/lbfgs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace seqrec::trainer {
namespace {

/// 1/2 sum of curvature * (x - place)^2, whose curvatures are far apart.
struct Bowl {
    std::vector<float> curvature = {1, 100, 10000}, place = {3, -2, 0.5f};

    double operator()(std::span<const float> at, std::span<float> gradient) const {
        double value = 0;
        for (std::size_t i = 0; i < at.size(); ++i) {
            const float off = at[i] - place[i];
            gradient[i] = curvature[i] * off;
            value += 0.5 * static_cast<double>(curvature[i] * off * off);
        }
        return value;
    }
    std::vector<float> inverse() const {
        std::vector<float> inverse;
        for (const float c : curvature) inverse.push_back(1 / c);
        return inverse;
    }
};

/// Rosenbrock's valley, and 1, so that shares of the value mean something at the minimum.
double valley(std::span<const float> at, std::span<float> gradient) {
    const double x = at[0], y = at[1], bend = y - x * x;
    gradient[0] = static_cast<float>(-2 * (1 - x) - 400 * x * bend);
    gradient[1] = static_cast<float>(200 * bend);
    return 1 + (1 - x) * (1 - x) + 100 * bend * bend;
}

const std::vector<float> kOnes = {1, 1, 1};

TEST(Lbfgs, FindsTheBottomOfABowl) {
    const Bowl bowl;
    std::vector<float> at(3);
    const LbfgsResult result = minimise(bowl, kOnes, at, {100, 1e-9});
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(at[i], bowl.place[i], 1e-3) << i;
    EXPECT_NEAR(result.value, 0, 1e-4);
}

TEST(Lbfgs, WithTheInverseCurvatureOneStepIsEnough) {
    const Bowl bowl;
    std::vector<float> at(3);
    EXPECT_NEAR(minimise(bowl, bowl.inverse(), at, {1, 0}).value, 0, 1e-6);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(at[i], bowl.place[i], 1e-4) << i;
    std::vector<float> without(3);
    EXPECT_GT(minimise(bowl, kOnes, without, {1, 0}).value, 1);
}

TEST(Lbfgs, FollowsABentValley) {
    for (const auto& [x, y] : {std::pair(-1.2f, -1.0f), {0.0f, 0.0f}, {3.0f, 0.0f}}) {
        std::vector<float> at = {x, y};
        const LbfgsResult result = minimise(valley, {kOnes.data(), 2}, at, {200, 1e-9});
        EXPECT_NEAR(at[0], 1, 0.01);
        EXPECT_NEAR(at[1], 1, 0.02);
        EXPECT_NEAR(result.value, 1, 1e-4);
        EXPECT_LT(result.evaluations, 100);
    }
}

TEST(Lbfgs, WhatItGivesIsTheValueWhereItEnds) {
    std::vector<float> at = {-1.2f, -1}, gradient(2);
    const double value = minimise(valley, {kOnes.data(), 2}, at, {7, 0}).value;
    EXPECT_EQ(value, valley(at, gradient));
}

TEST(Lbfgs, StopsWhenAsked) {
    const Bowl bowl;
    int asked = 0;
    std::vector<float> at(3);
    const LbfgsResult result = minimise(bowl, kOnes, at, {100, 0, [&] { return ++asked == 3; }});
    EXPECT_EQ(asked, 3);
    EXPECT_GT(result.value, 1e-3);
}

TEST(Lbfgs, StopsWhereStepsGainLittle) {
    std::vector<float> rough = {-1.2f, -1}, fine = rough;
    const LbfgsResult first = minimise(valley, {kOnes.data(), 2}, rough, {200, 0.1});
    const LbfgsResult second = minimise(valley, {kOnes.data(), 2}, fine, {200, 1e-9});
    EXPECT_LT(first.evaluations, second.evaluations);
    EXPECT_GT(first.value, second.value);
}

/// What has no preconditioner is fixed.
TEST(Lbfgs, StaysWhereTheGradientOrThePreconditionerIsZero) {
    const Bowl bowl;
    std::vector<float> at(3);
    minimise(bowl, std::vector<float>{1, 0, 1}, at, {1, 0});
    EXPECT_EQ(at[1], 0);
    at = bowl.place;
    EXPECT_EQ(minimise(bowl, kOnes, at, {100, 0}).evaluations, 1);
    EXPECT_EQ(at, bowl.place);
}

TEST(Lbfgs, EndsWhereNothingIsANumber) {
    const auto nothing = [](std::span<const float>, std::span<float> gradient) {
        std::ranges::fill(gradient, NAN);
        return std::nan("");
    };
    std::vector<float> at = {1, 2};
    EXPECT_LE(minimise(nothing, {kOnes.data(), 2}, at, {100, 0}).evaluations, 30);
    EXPECT_EQ(at, (std::vector<float>{1, 2}));
}

}  // namespace
}  // namespace seqrec::trainer
