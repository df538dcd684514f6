// The encoder's kernels of every table that this CPU runs against plain loops in double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/kernels/instructions.hpp"
#include "kernels/step_kernels.hpp"
#include "random.hpp"

namespace seqrec::kernels {
namespace {

using Floats = std::vector<float>;

constexpr std::ptrdiff_t kRows = 3;

std::vector<const Table*> text_tables() {
    std::vector<const Table*> all{&portable_table()};
#ifdef SEQREC_X86
    if (instructions().avx2) all.push_back(&avx2_table());
    if (instructions().avx512) all.push_back(&avx512_table());
#endif
    return all;
}

/// Numbers in [-6, 6).
Floats wide_numbers(std::ptrdiff_t count, std::uint64_t seed) {
    trainer::Random random(seed);
    Floats values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(12 * random.uniform() - 6);
    return values;
}

double activated(double x, Activation activation) {
    if (activation == Activation::Relu) return std::max(x, 0.0);
    if (activation == Activation::Gelu) return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

class TextKernels : public ::testing::TestWithParam<std::ptrdiff_t> {
  protected:
    const std::ptrdiff_t n = GetParam();
};

TEST_P(TextKernels, Activate) {
    for (const Table* table : text_tables())
        for (const Activation activation : {Activation::Gelu, Activation::GeluTanh, Activation::Relu}) {
            const Floats before = wide_numbers(kRows * n, 1), bias = wide_numbers(n, 2);
            Floats x = before;
            table->text.activate(x.data(), bias.data(), kRows, n, activation);
            for (std::ptrdiff_t i = 0; i < kRows * n; ++i)
                ASSERT_NEAR(x[i], activated(double{before[i]} + bias[i % n], activation), 3e-6)
                    << table->name;
        }
}

TEST_P(TextKernels, JoinNorm) {
    constexpr float kEpsilon = 0.5f;  // large enough to be seen
    for (const Table* table : text_tables()) {
        const Floats x = wide_numbers(kRows * n, 1), bias = wide_numbers(n, 2),
                     before = wide_numbers(kRows * n, 3);
        const Floats weight = wide_numbers(n, 4), shift = wide_numbers(n, 5);
        Floats y = before;
        table->text.join_norm(x.data(), bias.data(), y.data(), weight.data(), shift.data(), kEpsilon, kRows,
                              n);
        for (std::ptrdiff_t r = 0; r < kRows; ++r) {
            const auto sum = [&](std::ptrdiff_t i) {
                return double{x[r * n + i]} + bias[i] + before[r * n + i];
            };
            double mean = 0, square = 0;
            for (std::ptrdiff_t i = 0; i < n; ++i) mean += sum(i) / static_cast<double>(n);
            for (std::ptrdiff_t i = 0; i < n; ++i)
                square += std::pow(sum(i) - mean, 2) / static_cast<double>(n);
            for (std::ptrdiff_t i = 0; i < n; ++i)
                ASSERT_NEAR(y[r * n + i],
                            (sum(i) - mean) / std::sqrt(square + kEpsilon) * weight[i] + shift[i], 5e-5)
                    << table->name;
        }
    }
}

TEST_P(TextKernels, Softmax) {
    for (const Table* table : text_tables()) {
        const Floats before = wide_numbers(kRows * n, 1);
        Floats x = before;
        table->text.softmax(x.data(), kRows, n);
        for (std::ptrdiff_t r = 0; r < kRows; ++r) {
            double total = 0;
            for (std::ptrdiff_t i = 0; i < n; ++i) total += std::exp(double{before[r * n + i]});
            for (std::ptrdiff_t i = 0; i < n; ++i)
                ASSERT_NEAR(x[r * n + i], std::exp(double{before[r * n + i]}) / total, 1e-6) << table->name;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Widths, TextKernels, ::testing::Values(1, 5, 16, 37, 384));

}  // namespace
}  // namespace seqrec::kernels
