// Bounds of scores from one byte a number.
#include "core/scan/codes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "scan/catalogue.hpp"

namespace seqrec {
namespace {

using testing::Catalogue;
using Items = std::vector<std::int32_t>;

/// Both bounds hold for every slot, and kernels agree with one another.
TEST(Codes, BoundsHoldWithEveryKernel) {
    for (const std::size_t dim : {3, 16, 64, 129}) {
        Catalogue catalogue(1000, dim, static_cast<unsigned>(dim));
        const Codes codes = catalogue.codes();
        const auto query = catalogue.query();
        std::vector<float> exact(1000);
        Items all(1000);
        std::iota(all.begin(), all.end(), 0);
        catalogue.rows().score(all, query, exact);
        for (const CodeKernel& kernel : code_kernels()) {
            const CodeQuery coded(query, codes, kernel.limits);
            std::vector<float> upper(codes.scale.size());
            std::vector<std::uint16_t> mask(codes.groups());
            const Scoring to{&coded, 0.25f, upper.data(), mask.data()};
            kernel.run(codes.values.data(), codes.scale.data(), codes.groups(), std::span(&to, 1));
            for (std::size_t i = 0; i < 1000; ++i) {
                const float lower = upper[i] - 2 * (codes.scale[i] * coded.slack + coded.margin);
                EXPECT_LE(exact[i], upper[i]) << kernel.name;
                EXPECT_GE(exact[i], lower) << kernel.name;
                EXPECT_LT(upper[i] - lower, 0.2f) << kernel.name;
                EXPECT_EQ(mask[i / 16] >> (i % 16) & 1, upper[i] >= 0.25f) << kernel.name;
            }
        }
    }
}

struct Scored {
    std::vector<float> upper;
    std::vector<std::uint16_t> mask;

    explicit Scored(const Codes& codes) : upper(codes.scale.size()), mask(codes.groups()) {}
    bool operator==(const Scored&) const = default;
};

void expect_same_together(const CodeKernel& kernel, const Codes& codes, std::span<const CodeQuery> queries) {
    std::vector<Scored> alone, together;
    std::vector<Scoring> scorings;
    together.reserve(queries.size());
    for (std::size_t i = 0; i < queries.size(); ++i) {
        const float least = 0.05f * static_cast<float>(i);
        Scored& one = alone.emplace_back(codes);
        const Scoring to{&queries[i], least, one.upper.data(), one.mask.data()};
        kernel.run(codes.values.data(), codes.scale.data(), codes.groups(), std::span(&to, 1));
        Scored& other = together.emplace_back(codes);
        scorings.push_back({&queries[i], least, other.upper.data(), other.mask.data()});
    }
    kernel.run(codes.values.data(), codes.scale.data(), codes.groups(), scorings);
    EXPECT_EQ(alone, together) << kernel.name;
}

/// What the proof says: the exact score lies between the bounds, whatever the lengths of rows and query.
TEST(Codes, BoundsHoldForRowsOfAnyLength) {
    for (const std::size_t dim : {3, 17, 128})
        for (const float length : {1e-3f, 1.0f, 1e4f}) {
            Catalogue catalogue(320, dim, 9);
            catalogue.stretch(7);
            auto query = catalogue.query();
            for (float& x : query) x *= length;
            const Codes codes = catalogue.codes();
            for (const CodeKernel& kernel : code_kernels()) {
                const CodeQuery coded(query, codes, kernel.limits);
                std::vector<float> upper(codes.scale.size());
                std::vector<std::uint16_t> mask(codes.groups());
                const Scoring scoring{&coded, 0, upper.data(), mask.data()};
                kernel.run(codes.values.data(), codes.scale.data(), codes.groups(), std::span(&scoring, 1));
                for (std::int32_t i = 0; i < 320; ++i) {
                    float score = 0;
                    catalogue.rows().score(std::span(&i, 1), query, std::span(&score, 1));
                    const auto slot = static_cast<std::size_t>(i);
                    EXPECT_LE(score, upper[slot]) << kernel.name;
                    EXPECT_GE(score, upper[slot] - 2 * (codes.scale[slot] * coded.slack + coded.margin))
                        << kernel.name;
                }
            }
        }
}

/// The limits that every kernel keeps to.
SumLimits narrowest() {
    SumLimits limits = code_kernels().front().limits;
    for (const CodeKernel& kernel : code_kernels())
        limits = {std::min(limits.pair, kernel.limits.pair), std::min(limits.eight, kernel.limits.eight)};
    return limits;
}

void expect_agreement(const Codes& codes, const CodeQuery& coded) {
    std::vector<std::vector<float>> results;
    for (const CodeKernel& kernel : code_kernels()) {
        std::vector<float>& upper = results.emplace_back(codes.scale.size());
        std::vector<std::uint16_t> mask(codes.groups());
        const Scoring to{&coded, 0, upper.data(), mask.data()};
        kernel.run(codes.values.data(), codes.scale.data(), codes.groups(), std::span(&to, 1));
        for (std::size_t i = 0; i < upper.size(); ++i)
            EXPECT_NEAR(upper[i], results[0][i], 1e-6) << kernel.name;
    }
}

TEST(Codes, KernelsAgree) {
    for (const std::size_t dim : {1, 5, 16, 18, 64, 100}) {
        Catalogue catalogue(1000, dim, 11);
        const Codes codes = catalogue.codes();
        expect_agreement(codes, CodeQuery(catalogue.query(), codes, narrowest()));
    }
}

/// Bytes at their limits, whatever the query is like: sums that overflow would be far off. Bytes of 0 are of damaged files
/// alone.
TEST(Codes, NoSumOverflows) {
    constexpr std::size_t kDim = 64;
    std::vector<std::vector<float>> queries{std::vector<float>(kDim, 1.0f), std::vector<float>(kDim, -1.0f),
                                            std::vector<float>(kDim), std::vector<float>(kDim)};
    queries[2][17] = -1;
    for (std::size_t j = 0; j < kDim; ++j) queries[3][j] = j % 4 < 2 ? 1.0f : -0.01f;
    for (unsigned seed = 0; seed < 20; ++seed) queries.push_back(Catalogue(16, kDim, seed).query());
    for (const auto& query : queries) {
        std::vector<std::uint8_t> values(3 * kGroupRows * kDim, 255);
        std::fill_n(values.begin(), kGroupRows * kDim, std::uint8_t{0});
        for (std::size_t j = 0; j < kDim;
             ++j)  // the third group: all that adds to the sum, and all that takes from it
            for (std::size_t row = 0; row < kGroupRows; ++row)
                values[2 * kGroupRows * kDim + j / 4 * 64 + row * 4 + j % 4] =
                    (query[j] > 0) == (row % 2 == 0) ? 255 : 0;
        const std::vector<float> scale(3 * kGroupRows, 1e-3f);
        const std::vector<std::int32_t> item(scale.size());
        const Codes codes{values, scale, item, kDim, 1};
        expect_agreement(codes, CodeQuery(query, codes, narrowest()));
    }
}

/// A query's bytes keep to the limits and use them.
TEST(Codes, QueriesKeepToLimits) {
    Catalogue catalogue(16, 100, 5);
    const Codes codes = catalogue.codes();
    for (const SumLimits limits : {SumLimits{128, 255}, SumLimits{60, 1000}, SumLimits{1000, 90}}) {
        const CodeQuery coded(catalogue.query(), codes, limits);
        const auto* bytes = reinterpret_cast<const std::int8_t*>(coded.chunks.data());
        int pair = 0, eight = 0;
        for (std::size_t first = 0; first < codes.depth; first += 16)
            for (const std::size_t lane : {0, 2}) {
                int sum = 0;
                for (std::size_t at = first + lane; at < std::min(first + 16, codes.depth); at += 4) {
                    const int two = std::abs(bytes[at]) + std::abs(bytes[at + 1]);
                    pair = std::max(pair, two);
                    sum += two;
                }
                eight = std::max(eight, sum);
            }
        EXPECT_LE(pair, limits.pair);
        EXPECT_LE(eight, limits.eight);
        EXPECT_TRUE(pair >= limits.pair - 2 || eight >= limits.eight - 8) << pair << " " << eight;
    }
}

/// Queries that are scored together get what each gets alone, whatever their number and that of the groups.
TEST(Codes, TogetherOrAloneIsTheSame) {
    for (const std::size_t dim : {8, 100})
        for (const std::size_t items : {16, 48, 1000}) {
            Catalogue catalogue(items, dim, 12);
            const Codes codes = catalogue.codes();
            std::vector<CodeQuery> queries;
            for (int i = 0; i < 11; ++i) queries.emplace_back(catalogue.query(), codes, narrowest());
            for (const CodeKernel& kernel : code_kernels()) expect_same_together(kernel, codes, queries);
        }
}

TEST(Codes, LieInGroupsOfSixteenFourColumnsAtATime) {
    const std::vector<float> matrix{1, -1, 0.5f, 0, 0.25f, 2, 0, 0, 0, 0};  // two rows of five
    const std::vector<float> unit{1, 0.5f};
    std::vector<std::int32_t> item(kGroupRows, -1);
    item[3] = 1;
    item[5] = 0;
    std::vector<std::uint8_t> values(kGroupRows * 8);
    std::vector<float> scale(kGroupRows, 9);
    encode_rows(matrix, unit, 5, {values, scale, item, 8}, {});
    const auto number = [&](std::size_t slot, std::size_t column) {
        return scale[slot] * (static_cast<float>(values[column / 4 * 64 + slot * 4 + column % 4]) - 128);
    };
    EXPECT_NEAR(number(5, 0), 1, 0.01);
    EXPECT_NEAR(number(5, 1), -1, 0.01);
    EXPECT_NEAR(number(5, 4), 0.25, 0.01);
    EXPECT_NEAR(number(3, 0), 1, 0.01);  // 2 times its unit factor
    EXPECT_EQ(number(5, 5), 0);          // a column that is there for the depth alone
    for (const std::size_t empty : {0, 4, 15}) EXPECT_EQ(scale[empty], 0) << empty;
}

/// The largest difference between a row and its code, in units of its scale, is what the bounds rest on.
TEST(Codes, SayHowFarRowsAreFromThem) {
    const Catalogue catalogue(500, 33, 4);
    const Codes codes = catalogue.codes();
    double most = 0;
    for (std::size_t i = 0; i < 500; ++i) {
        double squares = 0;
        for (std::size_t j = 0; j < 33; ++j) {
            const float code = catalogue.values[i / 16 * 16 * codes.depth + j / 4 * 64 + i % 16 * 4 + j % 4];
            squares +=
                std::pow(catalogue.matrix[i * 33 + j] * catalogue.unit[i] - codes.scale[i] * (code - 128), 2);
        }
        most = std::max(most, std::sqrt(squares) / codes.scale[i]);
    }
    EXPECT_LE(most, codes.error);
    EXPECT_LT(codes.error, 1.001 * most);
}

TEST(Codes, OfAQueryWithoutLengthBoundNothing) {
    Catalogue catalogue(16, 8, 3);
    const Codes codes = catalogue.codes();
    const CodeQuery zero(std::vector<float>(8, 0.0f), codes);
    EXPECT_EQ(zero.bias, 0);
    EXPECT_EQ(zero.step, 0);
    EXPECT_EQ(zero.slack, 0);
    EXPECT_GT(zero.margin, 0);  // rounding is still there
}

}  // namespace
}  // namespace seqrec
