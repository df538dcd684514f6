// Counts by size.
#include "histogram.hpp"

#include <gtest/gtest.h>

namespace seqrec::sidecar {
namespace {

TEST(Histogram, CountsWhatIsAtMostItsBound) {
    constexpr double kBounds[] = {1, 2};
    Histogram histogram(kBounds);
    for (const double value : {0.5, 1.0, 1.5, 2.0, 3.0}) histogram.record(value);
    EXPECT_EQ(std::vector(histogram.counts().begin(), histogram.counts().end()),
              (std::vector<std::uint64_t>{2, 2, 1}));
    EXPECT_DOUBLE_EQ(histogram.sum(), 8);
}

}  // namespace
}  // namespace seqrec::sidecar
