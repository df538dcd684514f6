// Every table of kernels that this CPU runs against plain loops in double precision, at sizes that fill no
// vector.
#include "kernels/step_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/kernels/instructions.hpp"
#include "random.hpp"

namespace seqrec::kernels {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

std::vector<const Table*> tables() {
    std::vector<const Table*> all{&portable_table()};
#ifdef SEQREC_X86
    if (instructions().avx2) all.push_back(&avx2_table());
    if (instructions().avx512) all.push_back(&avx512_table());
    if (instructions().bfloat16) all.push_back(&avx512_bf16_table());
#endif
    return all;
}

/// Numbers in [-2, 2), the same for the same seed.
Floats numbers(std::ptrdiff_t count, std::uint64_t seed) {
    trainer::Random random(seed);
    Floats values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(4 * random.uniform() - 2);
    return values;
}

Doubles zeros(std::ptrdiff_t count) { return Doubles(static_cast<std::size_t>(count)); }

void expect_near(const Floats& ours, const Doubles& wanted, double tolerance) {
    ASSERT_EQ(ours.size(), wanted.size());
    for (std::size_t i = 0; i < ours.size(); ++i) ASSERT_NEAR(ours[i], wanted[i], tolerance) << i;
}

class StepKernels : public ::testing::TestWithParam<const Table*> {
  protected:
    const Table& k() const { return *GetParam(); }
};

/// C = alpha A B (+ C) for A and B as they lie or transposed.
struct Product {
    std::ptrdiff_t m, n, k;
    bool a_across, b_across;
    Floats a = numbers(m * k, 1), b = numbers(k * n, 2), c = numbers(m * n, 3);

    Gemm gemm(float alpha, bool accumulate) {
        return {.m = m,
                .n = n,
                .k = k,
                .a = a.data(),
                .a_row = a_across ? 1 : k,
                .a_column = a_across ? m : 1,
                .b = b.data(),
                .b_row = b_across ? 1 : n,
                .b_column = b_across ? k : 1,
                .c = c.data(),
                .c_row = n,
                .alpha = alpha,
                .accumulate = accumulate};
    }
    Doubles plain(float alpha, bool accumulate) const {
        Doubles result(c.begin(), c.end());
        for (std::ptrdiff_t i = 0; i < m; ++i)
            for (std::ptrdiff_t j = 0; j < n; ++j) {
                double sum = 0;
                for (std::ptrdiff_t d = 0; d < k; ++d)
                    sum += static_cast<double>(a[a_across ? d * m + i : i * k + d]) *
                           b[b_across ? j * k + d : d * n + j];
                result[i * n + j] = alpha * sum + (accumulate ? result[i * n + j] : 0);
            }
        return result;
    }
};

TEST_P(StepKernels, ProductsOfAnySizeAndOrder) {
    for (const auto& [m, n, depth] :
         {std::array{1, 1, 1},
          {3, 5, 7},
          {33, 31, 65},
          {7, 130, 300},
          {100, 17, 513},
          {203, 70, 263},  // several blocks of rows, the last one of part of a tile
          {98, 530, 34}})  // of columns, the last one of part of a panel
        for (const bool a_across : {false, true})
            for (const bool b_across : {false, true})
                for (const bool accumulate : {false, true}) {
                    SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " +
                                 std::to_string(depth));
                    Product product{m, n, depth, a_across, b_across};
                    const Doubles wanted = product.plain(0.5f, accumulate);
                    k().gemm(product.gemm(0.5f, accumulate));
                    expect_near(product.c, wanted, 1e-5 * depth + 1e-6);
                }
}

TEST_P(StepKernels, APackedMatrixMultipliesAsItLies) {
    Product product{9, 64, 40, false, true};
    const Doubles wanted = product.plain(2, false);
    Gemm gemm = product.gemm(2, false);
    Floats packed(static_cast<std::size_t>(gemm.k * 64));
    k().pack_b(gemm, packed.data());
    gemm.b = nullptr;
    gemm.packed_b = packed.data();
    k().gemm(gemm);
    expect_near(product.c, wanted, 1e-3);
}

/// Rows of A so far apart that they would evict each other.
TEST_P(StepKernels, ProductsOfAPartOfWideRows) {
    constexpr std::ptrdiff_t kRows = 15, kApart = 1100, kDepth = 40, kColumns = 96;
    const Floats a = numbers(kRows * kApart, 1), b = numbers(kDepth * kColumns, 2);
    Floats c(kRows * kColumns);
    Doubles wanted = zeros(kRows * kColumns);
    for (std::ptrdiff_t i = 0; i < kRows; ++i)
        for (std::ptrdiff_t d = 0; d < kDepth; ++d)
            for (std::ptrdiff_t j = 0; j < kColumns; ++j)
                wanted[i * kColumns + j] += static_cast<double>(a[i * kApart + 7 + d]) * b[d * kColumns + j];
    k().gemm({kRows, kColumns, kDepth, a.data() + 7, kApart, 1, b.data(), kColumns, 1, c.data(), kColumns});
    expect_near(c, wanted, 1e-3);
}

/// A block of the softmax, its parts as plain loops make them.
struct PlainSoftmax {
    std::ptrdiff_t count, dim, rows;
    Floats items = numbers(count * dim, 1), hidden = numbers(rows * dim, 2), shift = numbers(rows, 3),
           weight = numbers(count, 4), scaled = numbers(rows * dim, 5);
    float scale = 0.5f / std::sqrt(static_cast<float>(dim));
    Doubles exponentials = zeros(count * rows), sum = zeros(rows), gradient = zeros(rows * dim),
            ditems = zeros(count * dim);

    void run(bool weighted) {
        for (std::ptrdiff_t i = 0; i < count; ++i)
            for (std::ptrdiff_t r = 0; r < rows; ++r) {
                double dot = 0;
                for (std::ptrdiff_t d = 0; d < dim; ++d)
                    dot += static_cast<double>(items[i * dim + d]) * hidden[r * dim + d];
                const double value = std::exp(scale * dot - shift[r]) * (weighted ? weight[i] : 1);
                sum[r] += value;
                for (std::ptrdiff_t d = 0; d < dim; ++d) {
                    gradient[r * dim + d] += value * items[i * dim + d];
                    ditems[i * dim + d] += value * scaled[r * dim + d];
                }
            }
    }
};

TEST_P(StepKernels, PassesOfTheSoftmaxWithTheirProducts) {
    if (!k().softmax) GTEST_SKIP() << "no such passes in this table";
    for (const auto& [count, dim, rows] :
         {std::array{1, 1, 32}, {7, 13, 32}, {131, 64, 64}, {100, 50, 192}, {19, 300, 32}})
        for (const bool weighted : {false, true}) {
            SCOPED_TRACE(std::to_string(count) + " items, " + std::to_string(dim) + " dimensions");
            PlainSoftmax plain{count, dim, rows};
            for (float& weight : plain.weight) weight = std::abs(weight) + 0.1f;
            plain.run(weighted);
            Floats packed(plain.hidden.size()), sum(rows), exponentials(count * rows), gradient(rows * dim),
                unpacked(gradient.size()), ditems(count * dim),
                scaled(rows * ((dim + kPackMultiple - 1) / kPackMultiple * kPackMultiple));
            k().pack_b({.n = rows, .k = dim, .b = plain.hidden.data(), .b_row = 1, .b_column = dim},
                       packed.data());
            const SoftmaxBlock block{plain.items.data(),
                                     count,
                                     dim,
                                     rows,
                                     packed.data(),
                                     plain.scale,
                                     plain.shift.data(),
                                     weighted ? plain.weight.data() : nullptr,
                                     sum.data(),
                                     exponentials.data(),
                                     gradient.data()};
            k().softmax->forward(block);
            k().softmax->unpack(gradient.data(), rows, dim, unpacked.data());
            k().pack_b({.n = dim, .k = rows, .b = plain.scaled.data(), .b_row = dim, .b_column = 1},
                       scaled.data());
            k().softmax->backward(block, scaled.data(), ditems.data());
            const double most = *std::ranges::max_element(plain.sum);
            expect_near(sum, plain.sum, 1e-5 * most);
            expect_near(unpacked, plain.gradient, 1e-5 * most);
            expect_near(ditems, plain.ditems, 2e-5 * most * static_cast<double>(rows) / 32);
        }
}

/// What is too small for a float becomes the least exponential, and not a number stays none.
TEST_P(StepKernels, ExponentialsOfTheSoftmaxAtTheirEnds) {
    if (!k().softmax) GTEST_SKIP() << "no such passes in this table";
    constexpr std::ptrdiff_t kRows = 32;
    const Floats item{1}, hidden(kRows, 1.0f);
    Floats shift(kRows, 1.0f), packed(kRows), sum(kRows), exponentials(kRows), gradient(kRows);
    shift[1] = 500;
    shift[2] = std::numeric_limits<float>::quiet_NaN();
    k().pack_b({.n = kRows, .k = 1, .b = hidden.data(), .b_row = 1, .b_column = 1}, packed.data());
    k().softmax->forward({item.data(), 1, 1, kRows, packed.data(), 1, shift.data(), nullptr, sum.data(),
                          exponentials.data(), gradient.data()});
    EXPECT_EQ(sum[0], 1);
    EXPECT_EQ(sum[1], std::ldexp(1.0f, -125));
    EXPECT_TRUE(std::isnan(sum[2]));
}

TEST_P(StepKernels, SumsAndMultiplesOfRows) {
    for (const std::ptrdiff_t n : {1, 15, 16, 17, 70}) {
        const Floats x = numbers(3 * n, 1);
        Floats sum = numbers(n, 2), added = x, y = sum;
        Doubles sums(sum.begin(), sum.end()), scaled(sum.begin(), sum.end());
        double product = 0;
        for (std::ptrdiff_t i = 0; i < n; ++i) {
            for (int r = 0; r < 3; ++r) sums[i] += x[r * n + i];
            scaled[i] += 0.25 * x[i];
            product += static_cast<double>(x[i]) * x[n + i];
        }
        EXPECT_NEAR(k().dot(x.data(), x.data() + n, n), product, 1e-4);
        k().axpy(x.data(), y.data(), n, 0.25f);
        expect_near(y, scaled, 1e-6);
        k().add_bias(added.data(), sum.data(), 3, n);
        for (std::ptrdiff_t i = 0; i < 3 * n; ++i) EXPECT_EQ(added[i], x[i] + sum[i % n]);
        k().column_sums(x.data(), sum.data(), 3, n);
        expect_near(sum, sums, 1e-5);
    }
}

TEST_P(StepKernels, CountsValuesFromABoundOn) {
    for (const std::ptrdiff_t n : {1, 15, 16, 17, 1000}) {
        Floats x = numbers(n, 4);
        x[0] = 0.5f;
        EXPECT_EQ(k().count_at_least(x.data(), n, 0.5f),
                  std::ranges::count_if(x, [](float v) { return v >= 0.5f; }));
        EXPECT_EQ(k().count_at_least(x.data(), n, -2), n);
        EXPECT_EQ(k().count_at_least(x.data(), n, 3), 0);
        EXPECT_EQ(k().count_at_least(x.data(), n, std::numeric_limits<float>::quiet_NaN()), 0);
    }
}

TEST_P(StepKernels, TheBestOfEachColumnAndWhereItStands) {
    constexpr std::ptrdiff_t kRows = 9, kColumns = 32;
    Floats x = numbers(kRows * kColumns, 5), top(kColumns, -1e30f), best = top;
    std::vector<std::int32_t> which(kColumns, -1);
    x[2 * kColumns + 3] = x[7 * kColumns + 3] = 5;  // equal ones: the first counts
    k().column_maxima(x.data(), top.data(), kRows, kColumns);
    k().column_best(x.data(), best.data(), which.data(), 100, kRows, kColumns);
    EXPECT_EQ(best, top);
    for (std::ptrdiff_t t = 0; t < kColumns; ++t) {
        float most = -1e30f;
        std::int32_t at = -1;
        for (std::ptrdiff_t r = 0; r < kRows; ++r)
            if (x[r * kColumns + t] > most)
                most = x[r * kColumns + t], at = static_cast<std::int32_t>(100 + r);
        EXPECT_EQ(top[t], most);
        EXPECT_EQ(which[t], at);
    }
    const Floats before = best;
    const auto places = which;
    k().column_best(x.data(), best.data(), which.data(), 500, kRows,
                    kColumns);  // nothing is better than itself
    EXPECT_EQ(best, before);
    EXPECT_EQ(which, places);
}

TEST_P(StepKernels, ExponentialsOfColumns) {
    constexpr std::ptrdiff_t kRows = 5, kColumns = 48;
    for (const bool weighted : {false, true}) {
        Floats x = numbers(kRows * kColumns, 6), sum = numbers(kColumns, 7);
        const Floats shift = numbers(kColumns, 8), weight{1, 20, 0.5f, 3, 2};
        x[0] = shift[0] - 200;  // too small for a float
        Doubles wanted(x.begin(), x.end()), sums(sum.begin(), sum.end());
        for (std::ptrdiff_t i = 0; i < kRows * kColumns; ++i) {
            wanted[i] = std::exp(wanted[i] - shift[i % kColumns]) * (weighted ? weight[i / kColumns] : 1);
            sums[i % kColumns] += wanted[i];
        }
        k().exp_column_sums(x.data(), shift.data(), weighted ? weight.data() : nullptr, sum.data(), kRows,
                            kColumns);
        for (std::ptrdiff_t i = 0; i < kRows * kColumns; ++i)
            EXPECT_NEAR(x[i], wanted[i], 1e-6 + 1e-5 * wanted[i]);
        for (std::ptrdiff_t t = 0; t < kColumns; ++t) EXPECT_NEAR(sum[t], sums[t], 1e-5 * (1 + sums[t]));
    }
}

TEST_P(StepKernels, SoftmaxOverWhatCameBefore) {
    constexpr std::ptrdiff_t kRows = 20, kFirst = 48, kColumns = kFirst + kRows;
    Floats x = numbers(kRows * kColumns, 9);
    const Floats bias = numbers(kColumns, 10);
    Doubles wanted = zeros(kRows * kColumns);
    for (std::ptrdiff_t r = 0; r < kRows; ++r) {
        double sum = 0;
        for (std::ptrdiff_t j = 0; j <= kFirst + r; ++j)  // the last number of `bias` is that of distance 0
            sum += wanted[r * kColumns + j] =
                std::exp(x[r * kColumns + j] + bias[kColumns - 1 + j - kFirst - r]);
        for (std::ptrdiff_t j = 0; j <= kFirst + r; ++j) wanted[r * kColumns + j] /= sum;
    }
    k().causal_softmax(x.data(), kRows, kColumns, kFirst, bias.data() + kColumns - 1);
    expect_near(x, wanted, 1e-6);
}

TEST_P(StepKernels, GradientOfTheSoftmax) {
    constexpr std::ptrdiff_t kRows = 6, kFirst = 11, kColumns = kFirst + kRows;
    Floats p = numbers(kRows * kColumns, 11), dbias(kColumns);
    const Floats dp = numbers(kRows * kColumns, 12), zero_bias(kColumns);
    k().causal_softmax(p.data(), kRows, kColumns, kFirst, zero_bias.data() + kColumns - 1);
    Doubles wanted(p.begin(), p.end()), bias = zeros(kColumns);
    for (std::ptrdiff_t r = 0; r < kRows; ++r) {
        double along = 0;
        for (std::ptrdiff_t j = 0; j <= kFirst + r; ++j)
            along += wanted[r * kColumns + j] * dp[r * kColumns + j];
        for (std::ptrdiff_t j = 0; j <= kFirst + r; ++j)
            bias[kColumns - 1 + j - kFirst - r] += wanted[r * kColumns + j] *= dp[r * kColumns + j] - along;
    }
    k().causal_softmax_backward(p.data(), dp.data(), kRows, kColumns, kFirst, dbias.data() + kColumns - 1);
    expect_near(p, wanted, 1e-6);
    expect_near(dbias, bias, 1e-5);
}

TEST_P(StepKernels, AdditiveScoresAndTheirGradients) {
    for (const std::ptrdiff_t n : {1, 13, 64}) {
        constexpr std::ptrdiff_t kRows = 5;
        const Floats query = numbers(n, 1), keys = numbers(kRows * n, 2), weight = numbers(n, 3),
                     dscores = numbers(kRows, 4);
        const auto exponential = [](Floats x) {
            for (float& value : x) value = std::exp(2 * value);
            return x;
        };
        const Floats x = exponential(query), y = exponential(keys);
        const Additive additive{x.data(), y.data(), weight.data(), kRows, n};
        Floats scores(kRows), dquery = numbers(n, 5), dkeys = numbers(kRows * n, 6), dweight = numbers(n, 7);
        Doubles wanted = zeros(kRows), to_query(dquery.begin(), dquery.end()),
                to_keys(dkeys.begin(), dkeys.end()), to_weight(dweight.begin(), dweight.end());
        for (std::ptrdiff_t r = 0; r < kRows; ++r)
            for (std::ptrdiff_t d = 0; d < n; ++d) {
                const double tanh = std::tanh(static_cast<double>(query[d]) + keys[r * n + d]);
                const double slope = dscores[r] * weight[d] * (1 - tanh * tanh);
                wanted[r] += weight[d] * (tanh - 1);
                to_query[d] += slope;
                to_keys[r * n + d] += slope;
                to_weight[d] += dscores[r] * (tanh - 1);
            }
        k().additive_scores(additive, scores.data());
        k().additive_backward(additive, dscores.data(), dquery.data(), dkeys.data(), dweight.data());
        expect_near(scores, wanted, 1e-4);
        expect_near(dquery, to_query, 1e-4);
        expect_near(dkeys, to_keys, 1e-4);
        expect_near(dweight, to_weight, 1e-4);
    }
}

/// The tanh form of GELU and its derivative, in double precision.
std::pair<double, double> gelu(double x) {
    const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x), t = std::tanh(u);
    return {x * (1 + t) / 2,
            (1 + t) / 2 + x * (1 - t * t) / 2 * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x)};
}

TEST_P(StepKernels, GeluKeepsItsSlope) {
    constexpr std::ptrdiff_t kRows = 5, kWidth = 37;
    Floats x = numbers(kRows * kWidth, 16), y(x.size());
    for (const auto& [place, value] :
         {std::pair{0, -100.0f}, {1, 100.0f}, {9, -12.0f}, {40, 12.0f}, {41, -5.0f}})
        x[place] = value;
    const Floats bias = numbers(kWidth, 17);
    Doubles values = zeros(kRows * kWidth), slopes = values, changes = values, sums = zeros(kWidth);
    const Floats dy = numbers(kRows * kWidth, 18);
    for (std::ptrdiff_t i = 0; i < kRows * kWidth; ++i) {
        std::tie(values[i], slopes[i]) = gelu(static_cast<double>(x[i]) + bias[i % kWidth]);
        changes[i] = dy[i] * slopes[i];
        sums[i % kWidth] += changes[i];
    }
    Floats dropped_slope = x, dropped(x.size());
    k().bias_gelu(dropped_slope.data(), bias.data(), dropped.data(), kRows, kWidth, {7, 0.5f});
    k().bias_gelu(x.data(), bias.data(), y.data(), kRows, kWidth, {});
    expect_near(y, values, 1e-5);
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float kept = dropped[i] == 0 && y[i] != 0 ? 0.0f : 2.0f;
        ASSERT_FLOAT_EQ(dropped[i], kept * y[i]) << i;
        ASSERT_FLOAT_EQ(dropped_slope[i], kept * x[i]) << i;
    }
    expect_near(x, slopes, 1e-5);
    Floats dx(x.size()), dbias(kWidth);
    k().bias_gelu_backward(x.data(), dy.data(), dx.data(), dbias.data(), kRows, kWidth);
    expect_near(dx, changes, 1e-5);
    expect_near(dbias, sums, 1e-4);
}

TEST_P(StepKernels, NormOfRowsAndWhatItKeeps) {
    constexpr std::ptrdiff_t kRows = 4, kWidth = 37;
    Floats x = numbers(kRows * kWidth, 13), y(x.size()), statistics(2 * kRows);
    for (std::ptrdiff_t i = 0; i < kWidth; ++i) x[i] += 1000;  // a mean far from its deviation
    const Floats weight = numbers(kWidth, 14), bias = numbers(kWidth, 15);
    k().norm(x.data(), weight.data(), bias.data(), y.data(), statistics.data(), kRows, kWidth);
    for (std::ptrdiff_t r = 0; r < kRows; ++r) {
        double mean = 0, square = 0;
        for (std::ptrdiff_t i = 0; i < kWidth; ++i) mean += x[r * kWidth + i] / static_cast<double>(kWidth);
        for (std::ptrdiff_t i = 0; i < kWidth; ++i) square += std::pow(x[r * kWidth + i] - mean, 2) / kWidth;
        const double inverse = 1 / std::sqrt(square + 1e-5);
        EXPECT_NEAR(statistics[2 * r], mean, 1e-4);
        EXPECT_NEAR(statistics[2 * r + 1] / inverse, 1, 1e-4);
        for (std::ptrdiff_t i = 0; i < kWidth; ++i)
            EXPECT_NEAR(y[r * kWidth + i], (x[r * kWidth + i] - mean) * inverse * weight[i] + bias[i], 1e-3);
    }
}

TEST_P(StepKernels, AStepOfAdamW) {
    constexpr std::ptrdiff_t kCount = 37;
    const AdamStep step{.learning_rate = 0.01f,
                        .beta1 = 0.9f,
                        .beta2 = 0.98f,
                        .epsilon = 1e-8f,
                        .weight_decay = 0.1f,
                        .correction1 = 10,
                        .correction2 = 50,
                        .gradient_scale = 0.5f,
                        .average_rate = 0.25f};
    Floats weight = numbers(kCount, 1), gradient = numbers(kCount, 2), moment1 = numbers(kCount, 3);
    Floats moment2(kCount, 0.3f), average = numbers(kCount, 5);
    Doubles w = zeros(kCount), m = w, v = w, a = w;
    for (std::size_t i = 0; i < kCount; ++i) {
        const double g = 0.5 * gradient[i];
        m[i] = 0.9 * moment1[i] + 0.1 * g;
        v[i] = 0.98 * moment2[i] + 0.02 * g * g;
        w[i] = weight[i] * (1 - 0.01 * 0.1) - 0.01 * 10 * m[i] / (std::sqrt(50 * v[i]) + 1e-8);
        a[i] = average[i] + 0.25 * (w[i] - average[i]);
    }
    k().adam(weight.data(), gradient.data(), moment1.data(), moment2.data(), average.data(), kCount, step);
    expect_near(moment1, m, 1e-6);
    expect_near(moment2, v, 1e-6);
    expect_near(weight, w, 1e-6);
    expect_near(average, a, 1e-6);
}

/// The mean of many draws is the input: what dropout leaves is scaled up by what it removes.
TEST_P(StepKernels, DropoutKeepsTheMean) {
    for (const float rate : {0.1f, 0.3f, 0.9f}) {
        Floats x(100000, 1.0f);
        k().dropout(x.data(), x.data(), static_cast<std::ptrdiff_t>(x.size()), {7, rate});
        double sum = 0;
        for (const float value : x) {
            ASSERT_TRUE(value == 0 || std::abs(value * (1 - rate) - 1) < 1e-5);
            sum += value;
        }
        EXPECT_NEAR(sum / static_cast<double>(x.size()), 1, 0.03) << rate;
    }
}

/// A checkpoint may go on on another machine: masks are those of the seed and the place, not of the
/// instructions.
TEST_P(StepKernels, DropsWhatThePortableOnesDrop) {
    Floats ours(1001, 1.0f), theirs(1001, 1.0f);
    k().dropout(ours.data(), ours.data(), 1001, {99, 0.4f});
    portable_table().dropout(theirs.data(), theirs.data(), 1001, {99, 0.4f});
    EXPECT_EQ(ours, theirs);
}

TEST_P(StepKernels, PairsHoldBothNeighboursRounded) {
    if (!k().bfloat16) GTEST_SKIP() << "no bfloat16 products in this table";
    const Floats x{1, 2, 3, 1.00390625f, 5, 6};  // [3, 2]; the fourth lies between two bfloat16 values
    const auto halves = [](float pair) {
        const auto bits = std::bit_cast<std::uint32_t>(pair);
        return std::pair(std::bit_cast<float>(bits << 16), std::bit_cast<float>(bits & 0xFFFF0000u));
    };
    Floats rows(4), columns(3);
    k().bfloat16->pair_rows(x.data(), 3, 2, rows.data());
    k().bfloat16->pair_columns(x.data(), 3, 2, columns.data());
    EXPECT_EQ(halves(rows[0]), std::pair(1.0f, 3.0f));
    EXPECT_EQ(halves(rows[1]), std::pair(2.0f, 1.0f));
    EXPECT_EQ(halves(rows[2]), std::pair(5.0f, 0.0f));  // a missing row is 0
    EXPECT_EQ(halves(columns[0]), std::pair(1.0f, 2.0f));
    EXPECT_EQ(halves(columns[2]), std::pair(5.0f, 6.0f));
}

INSTANTIATE_TEST_SUITE_P(Tables, StepKernels, ::testing::ValuesIn(tables()), [](const auto& info) {
    std::string name(info.param->name);
    std::ranges::replace(name, '-', '_');
    return name;
});

TEST(StepTables, TheOneInUseIsTheFastest) { EXPECT_EQ(&table(), tables().back()); }

}  // namespace
}  // namespace seqrec::kernels
