// Random numbers that must be the same on every machine, for models are compared by them.
#include "random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>

namespace seqrec::trainer {
namespace {

/// The numbers that the authors' own code gives for the seed 1234567 (Vigna, splitmix64.c).
TEST(Random, IsSplitMix64) {
    Random random(1234567);
    for (const std::uint64_t wanted : {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
                                       4593380528125082431ULL, 16408922859458223821ULL})
        EXPECT_EQ(random.next(), wanted);
}

TEST(Random, GoesOnFromItsState) {
    Random random(5);
    for (int i = 0; i < 10; ++i) random.next();
    Random resumed(random.state());
    for (int i = 0; i < 10; ++i) EXPECT_EQ(resumed.next(), random.next());
}

TEST(Random, IsEvenBelowANumber) {
    Random random(1);
    std::array<int, 7> count{};
    for (int i = 0; i < 70000; ++i) ++count.at(random.below(7));
    for (const int times : count) EXPECT_NEAR(times, 10000, 400);
}

TEST(Random, IsEvenInTheUnitInterval) {
    Random random(1);
    double sum = 0, squares = 0;
    for (int i = 0; i < 100000; ++i) {
        const double x = random.uniform();
        ASSERT_TRUE(x >= 0 && x < 1);
        sum += x, squares += x * x;
    }
    EXPECT_NEAR(sum / 100000, 0.5, 0.005);
    EXPECT_NEAR(squares / 100000, 1.0 / 3, 0.005);
}

TEST(Random, ShufflesIntoEveryOrderAlike) {
    Random random(1);
    std::map<std::vector<int>, int> orders;
    for (int i = 0; i < 24000; ++i) {
        std::vector<int> values{1, 2, 3, 4};
        random.shuffle(values);
        ++orders[values];
    }
    EXPECT_EQ(orders.size(), 24U);
    for (const auto& [order, times] : orders) EXPECT_NEAR(times, 1000, 150);
    std::vector<int> none, one{1};
    random.shuffle(none);
    random.shuffle(one);
    EXPECT_EQ(one, std::vector{1});
}

}  // namespace
}  // namespace seqrec::trainer
