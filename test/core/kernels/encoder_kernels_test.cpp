// Every set of the encoder's kernels that this CPU runs, function by function, against plain loops.
#include "core/kernels/encoder_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "core/kinds/transformer_network.hpp"

namespace seqrec {
namespace {

/// Numbers in [-1, 1) that bfloat16 holds exactly, so that all kernels multiply the same ones.
std::vector<float> numbers(std::ptrdiff_t count, unsigned seed) {
    std::mt19937 engine(seed);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(static_cast<int>(engine() % 256) - 128) / 128;
    return values;
}

/// Rows of values or floats, each kRowStep-aligned, zeros beyond their columns as kernels want them.
class Matrix {
  public:
    Matrix(std::ptrdiff_t rows, std::ptrdiff_t columns, std::ptrdiff_t value_size)
        : row_((columns + kRowStep - 1) / kRowStep * kRowStep),
          size_(value_size),
          bytes_(static_cast<std::size_t>(rows * row_ * value_size)),
          memory_(bytes_ + 64) {
        std::fill_n(memory_.data(), bytes_ + 64, std::byte{});
    }
    void* data() const { return memory_.data(); }
    std::ptrdiff_t row() const { return row_; }
    void set(std::ptrdiff_t r, std::ptrdiff_t c, float value) {
        if (size_ == 4)
            reinterpret_cast<float*>(data())[r * row_ + c] = value;
        else
            reinterpret_cast<std::uint16_t*>(data())[r * row_ + c] =
                static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
    }
    float at(std::ptrdiff_t r, std::ptrdiff_t c) const {
        if (size_ == 4) return reinterpret_cast<const float*>(data())[r * row_ + c];
        const std::uint32_t bits = reinterpret_cast<const std::uint16_t*>(data())[r * row_ + c];
        return std::bit_cast<float>(bits << 16);
    }

  private:
    std::ptrdiff_t row_, size_;
    std::size_t bytes_;
    AlignedMemory memory_;
};

Matrix values_of(const std::vector<float>& from, std::ptrdiff_t columns, std::ptrdiff_t value_size) {
    const auto rows = static_cast<std::ptrdiff_t>(from.size()) / columns;
    Matrix matrix(rows, columns, value_size);
    for (std::ptrdiff_t r = 0; r < rows; ++r)
        for (std::ptrdiff_t c = 0; c < columns; ++c)
            matrix.set(r, c, from[static_cast<std::size_t>(r * columns + c)]);
    return matrix;
}

class EncoderKernelsTest : public ::testing::TestWithParam<const EncoderKernels*> {
  protected:
    const EncoderKernels& k() const { return *GetParam(); }
    std::ptrdiff_t size() const { return k().value_size; }
    /// What a result that is kept as a value may differ by, relative to its size.
    double rounding() const { return k().exact ? 1e-5 : size() == 4 ? 1.0 / 1024 : 1.0 / 128; }
    /// The same of a result that is kept as a float.
    double rounding_of_floats() const { return size() == 4 ? rounding() : 1e-5; }

    /// x weightᵀ + 0 of one row.
    std::vector<float> product_of(const std::vector<float>& x, const std::vector<float>& weight) const {
        const auto depth = static_cast<std::ptrdiff_t>(x.size());
        const auto columns = static_cast<std::ptrdiff_t>(weight.size()) / depth;
        const Matrix left = values_of(x, depth, size()), bias(1, columns + 64, 4), y(1, columns + 64, 4);
        const AlignedMemory packed(static_cast<std::size_t>(k().packed_size(columns, depth))),
            scratch(static_cast<std::size_t>(k().product_scratch(1, depth)));
        k().pack(weight.data(), columns, depth, 1, packed.data());
        k().product_add({left.data(), left.row(), 1, depth, packed.data(),
                         static_cast<const float*>(bias.data()), columns, y.data(), y.row(), scratch.data()});
        std::vector<float> result;
        for (std::ptrdiff_t c = 0; c < columns; ++c) result.push_back(y.at(0, c));
        return result;
    }
};

struct ProductCase {
    std::ptrdiff_t rows, depth, columns;
};
constexpr ProductCase kProducts[] = {{1, 1, 1}, {3, 5, 7}, {13, 64, 33}, {8, 96, 130}, {1, 31, 65}};

TEST_P(EncoderKernelsTest, ProductsWithABias) {
    for (const auto& [rows, depth, columns] : kProducts) {
        const auto x = numbers(rows * depth, 1), weight = numbers(columns * depth, 2),
                   plain_bias = numbers(columns, 3);
        const Matrix left = values_of(x, depth, size());
        const AlignedMemory packed(static_cast<std::size_t>(k().packed_size(columns, depth))),
            scratch(static_cast<std::size_t>(k().product_scratch(rows, depth)));
        k().pack(weight.data(), columns, depth, 0.5f, packed.data());
        Matrix bias(1, columns + 64, 4), y(rows, columns + 64, size()), gelu(rows, columns + 64, size()),
            added(rows, columns + 64, 4);
        for (std::ptrdiff_t c = 0; c < columns; ++c) bias.set(0, c, plain_bias[static_cast<std::size_t>(c)]);
        for (std::ptrdiff_t r = 0; r < rows; ++r)
            for (std::ptrdiff_t c = 0; c < columns; ++c) added.set(r, c, 0.25f);
        const auto product = [&](const Matrix& to) {
            return Product{left.data(),   left.row(),    rows,
                           depth,         packed.data(), static_cast<const float*>(bias.data()),
                           columns,       to.data(),     to.row(),
                           scratch.data()};
        };
        k().product(product(y));
        k().product_gelu(product(gelu));
        k().product_add(product(added));
        for (std::ptrdiff_t r = 0; r < rows; ++r)
            for (std::ptrdiff_t c = 0; c < columns; ++c) {
                double wanted = plain_bias[static_cast<std::size_t>(c)];
                for (std::ptrdiff_t d = 0; d < depth; ++d)
                    wanted += 0.5 * x[static_cast<std::size_t>(r * depth + d)] *
                              weight[static_cast<std::size_t>(c * depth + d)];
                const double active =
                    0.5 * wanted *
                    (1 + std::tanh(0.7978845608028654 * (wanted + 0.044715 * wanted * wanted * wanted)));
                const double room = rounding() * (1 + std::abs(wanted));
                ASSERT_NEAR(y.at(r, c), wanted, room) << r << ", " << c;
                ASSERT_NEAR(gelu.at(r, c), active, room) << r << ", " << c;
                ASSERT_NEAR(added.at(r, c), wanted + 0.25, rounding_of_floats() * static_cast<double>(depth))
                    << r << ", " << c;
            }
    }
}

/// Rows and columns in one direction have the largest product there is of their lengths: no sum may leave its numbers.
TEST_P(EncoderKernelsTest, ProductsOfParallelRows) {
    for (const std::ptrdiff_t depth : {1, 2, 16, 64, 250, 1024})
        for (const float size : {1e-4f, 1.0f, 256.0f, 4096.0f}) {
            const std::vector<float> same(static_cast<std::size_t>(depth), size);
            std::vector<float> alone(static_cast<std::size_t>(depth));
            alone.back() = -size;
            const double square = static_cast<double>(size) * size,
                         full = square * static_cast<double>(depth);
            EXPECT_NEAR(product_of(same, same).front(), full, full / 1024) << depth;
            EXPECT_NEAR(product_of(alone, alone).front(), square, square / 1024) << depth;
            EXPECT_NEAR(product_of(alone, same).front(), -square, square / 1024) << depth;
        }
}

/// Columns may be of any size beside each other, and of none.
TEST_P(EncoderKernelsTest, ProductsOfColumnsOfAnyLength) {
    const std::vector<float> products =
        product_of({0.5f, 0.25f}, {1, 1, 1024, 1024, 0, 0, 0x1p-20f, -0x1p-20f, -3, 1});
    const std::vector<float> wanted = {0.75f, 768, 0, 0x1p-22f, -1.25f};
    for (std::size_t c = 0; c < wanted.size(); ++c)
        EXPECT_NEAR(products[c], wanted[c], std::abs(wanted[c]) / 1024) << c;
}

/// What damaged bytes hold must be seen behind all products.
TEST_P(EncoderKernelsTest, WhatIsNoNumberStaysNone) {
    constexpr float kNone = std::numeric_limits<float>::quiet_NaN(),
                    kEndless = std::numeric_limits<float>::infinity();
    for (const float bad : {kNone, kEndless}) {
        EXPECT_FALSE(std::isfinite(product_of({1, bad, 1}, {1, 1, 1}).front()));
        EXPECT_FALSE(std::isfinite(product_of({1, 1, 1}, {1, 1, bad}).front()));
    }
}

TEST_P(EncoderKernelsTest, NormsOfRows) {
    constexpr std::ptrdiff_t kRows = 3;
    for (const std::ptrdiff_t dim : {1, 7, 32, 40, 160}) {
        const auto x = numbers(kRows * dim, 4);
        const Matrix rows = values_of(x, dim, 4);
        Matrix weight = values_of(numbers(dim, 5), dim, 4), bias = values_of(numbers(dim, 6), dim, 4);
        Matrix values(kRows, dim, size()), floats(kRows, dim, 4);
        const auto norm = [&](const Matrix& to) {
            return LayerNorm{static_cast<const float*>(rows.data()),
                             rows.row(),
                             kRows,
                             dim,
                             static_cast<const float*>(weight.data()),
                             static_cast<const float*>(bias.data()),
                             to.data(),
                             to.row()};
        };
        k().norm(norm(values));
        k().norm_float(norm(floats));
        for (std::ptrdiff_t r = 0; r < kRows; ++r) {
            double mean = 0, square = 0;
            for (std::ptrdiff_t d = 0; d < dim; ++d) mean += rows.at(r, d) / static_cast<double>(dim);
            for (std::ptrdiff_t d = 0; d < dim; ++d)
                square += std::pow(rows.at(r, d) - mean, 2) / static_cast<double>(dim);
            for (std::ptrdiff_t d = 0; d < dim; ++d) {
                const double wanted =
                    (rows.at(r, d) - mean) / std::sqrt(square + 1e-5) * weight.at(0, d) + bias.at(0, d);
                EXPECT_NEAR(floats.at(r, d), wanted, 1e-4) << dim;
                EXPECT_NEAR(values.at(r, d), wanted, 2 * rounding() * (1 + std::abs(wanted))) << dim;
            }
        }
    }
}

TEST_P(EncoderKernelsTest, SquareProducts) {
    constexpr std::ptrdiff_t kSide = 64;
    const auto a = numbers(kSide * kSide, 7), b = numbers(kSide * kSide, 8);
    const Matrix left = values_of(a, kSide, 4), right = values_of(b, kSide, 4), y(kSide, kSide, 4);
    for (const bool across : {false, true}) {
        k().square_product(static_cast<const float*>(left.data()), across ? 1 : kSide, across ? kSide : 1,
                           static_cast<const float*>(right.data()), kSide, static_cast<float*>(y.data()));
        for (std::ptrdiff_t i = 0; i < kSide; ++i)
            for (std::ptrdiff_t j = 0; j < kSide; ++j) {
                double wanted = 0;
                for (std::ptrdiff_t d = 0; d < kSide; ++d)
                    wanted += static_cast<double>(across ? left.at(d, i) : left.at(i, d)) * right.at(d, j);
                ASSERT_NEAR(y.at(i, j), wanted, 1e-4) << i << ", " << j;
            }
    }
}

INSTANTIATE_TEST_SUITE_P(Sets, EncoderKernelsTest,
                         ::testing::ValuesIn(encoder_kernels().begin(), encoder_kernels().end()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(EncoderKernelSets, EndWithThePortableOne) {
    EXPECT_STREQ(encoder_kernels().back()->name, "portable");
    EXPECT_EQ(&fastest_encoder_kernels(false), encoder_kernels().front());
    EXPECT_TRUE(fastest_encoder_kernels(true).exact);
    for (const EncoderKernels* kernels : encoder_kernels())
        EXPECT_TRUE(!kernels->exact || kernels->value_size == 4) << kernels->name;
}

}  // namespace
}  // namespace seqrec
