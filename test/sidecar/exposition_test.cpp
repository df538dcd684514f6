// Prometheus' text format.
#include "exposition.hpp"

#include <gtest/gtest.h>

namespace seqrec::sidecar {
namespace {

TEST(Exposition, WritesWhatPrometheusReads) {
    constexpr double kBounds[] = {0.5, 1};
    Histogram histogram(kBounds);
    histogram.record(0.7);
    histogram.record(7);
    Exposition out;
    out.single("one", "gauge", "Help.", 3);
    out.family("many", "histogram", "More.");
    out.sample(histogram, {{"name", "a\"b\\c\nd"}});
    EXPECT_EQ(out.text(),
              "# HELP one Help.\n# TYPE one gauge\none 3\n# HELP many More.\n# TYPE many histogram\n"
              "many_bucket{name=\"a\\\"b\\\\c\\nd\",le=\"0.5\"} "
              "0\nmany_bucket{name=\"a\\\"b\\\\c\\nd\",le=\"1\"} 1\n"
              "many_bucket{name=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 2\nmany_sum{name=\"a\\\"b\\\\c\\nd\"} 7.7\n"
              "many_count{name=\"a\\\"b\\\\c\\nd\"} 2\n");
}

TEST(Exposition, WritesNumbersWithoutAnExponent) {
    Exposition out;
    out.family("n", "gauge", "Help.");
    for (const double value : {1e15, 0.000001, -0.5, 1764323.25}) out.sample(value);
    EXPECT_EQ(out.text(),
              "# HELP n Help.\n# TYPE n gauge\nn 1000000000000000\nn 0.000001\nn -0.5\nn 1764323.25\n");
}

}  // namespace
}  // namespace seqrec::sidecar
