// A few numbers in place, and weights that are damaged.
#include "core/kinds/vector_math.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;

TEST(Normalise, DividesByTheLength) {
    std::vector<float> vector{3, 4};
    EXPECT_TRUE(normalise(vector));
    EXPECT_FLOAT_EQ(vector[0], 0.6f);
    EXPECT_FLOAT_EQ(vector[1], 0.8f);
}

TEST(Normalise, ZerosSayNothing) {
    std::vector<float> vector{0, 0};
    EXPECT_FALSE(normalise(vector));
    EXPECT_EQ(vector, (std::vector<float>{0, 0}));
}

TEST(Normalise, WhatIsNoNumberIsDamageAndNotAStranger) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::max()}) {
        std::vector<float> vector{1, bad};
        EXPECT_EQ(error_of([&] { normalise(vector); }), sqlstate::kDataCorrupted) << bad;
    }
}

TEST(Softmax, IsOfTheDefinitionWhateverTheSize) {
    std::vector<float> scores{1000, 1000, 999};
    softmax(scores);
    EXPECT_FLOAT_EQ(scores[0], scores[1]);
    EXPECT_NEAR(scores[2] / scores[0], 0.36788f, 1e-4f);
    EXPECT_NEAR(scores[0] + scores[1] + scores[2], 1, 1e-6);
}

}  // namespace
}  // namespace seqrec
