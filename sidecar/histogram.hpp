// Counts by size, as Prometheus wants them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace seqrec::sidecar {

/// Bounds of latencies in seconds.
/// 延迟的分桶上界（秒）。
inline constexpr double kSecondsBounds[] = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5};
/// Bounds of numbers of requests.
/// 请求个数的分桶上界。
inline constexpr double kCountBounds[] = {1, 2, 4, 8, 16, 32, 64, 128};

/// How many values were at most as large as each bound. `bounds` must outlive it.
/// 不超过各上界的数值个数。bounds 的生存期须更长。
class Histogram {
  public:
    explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}

    void record(double value) {
        const auto bucket = std::ranges::find_if(bounds_, [value](double bound) { return value <= bound; });
        ++counts_[static_cast<std::size_t>(bucket - bounds_.begin())];
        sum_ += value;
    }

    std::span<const double> bounds() const { return bounds_; }
    /// One more than there are bounds; each value is counted in one of them.
    /// 比上界多一个；每个数值只计入其中之一。
    std::span<const std::uint64_t> counts() const { return counts_; }
    double sum() const { return sum_; }

  private:
    std::span<const double> bounds_;
    std::vector<std::uint64_t> counts_;
    double sum_ = 0;
};

}  // namespace seqrec::sidecar
