// Small seeded random numbers, the same with every compiler and standard library.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace seqrec::trainer {

/// SplitMix64 (Steele, Lea, Flood 2014).
/// 小型可复现随机数发生器。
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31);
    }
    /// An integer in [0, n). The bias of the remainder is below n / 2^64.
    std::uint64_t below(std::uint64_t n) { return next() % n; }
    /// A number in [0, 1).
    double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

    template <typename T>
    void shuffle(std::vector<T>& values) {
        for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
    }

    /// All there is to know of what comes next.
    std::uint64_t state() const { return state_; }

  private:
    std::uint64_t state_;
};

}  // namespace seqrec::trainer
