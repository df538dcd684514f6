#include "core/scan/search.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "core/scan/lists.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using Items = std::vector<std::int32_t>;

/// Items around a few centres, as trained ones lie, in float32 and in codes; `order` says which item lies in
/// which slot.
struct Catalogue {
    std::size_t items, dim;
    std::vector<float> matrix, unit;
    std::vector<std::uint8_t> values;
    std::vector<float> scale;
    Items slot_item;
    float error = 0;
    std::mt19937 engine;

    Catalogue(std::size_t items, std::size_t dim, unsigned seed = 1, float spread = 0.5f)
        : items(items), dim(dim), matrix(items * dim), unit(items), engine(seed) {
        std::normal_distribution<float> normal;
        std::vector<float> centres(7 * dim);
        for (float& x : centres) x = normal(engine);
        for (std::size_t i = 0; i < items; ++i)
            for (std::size_t j = 0; j < dim; ++j)
                matrix[i * dim + j] = centres[i % 7 * dim + j] + spread * normal(engine);
        encode();
    }

    void encode() {
        for (std::size_t i = 0; i < items; ++i) {
            double squares = 0;
            for (std::size_t j = 0; j < dim; ++j) squares += std::pow(matrix[i * dim + j], 2);
            unit[i] = squares > 0 ? static_cast<float>(1 / std::sqrt(squares)) : 0;
        }
        if (slot_item.empty()) {
            slot_item.assign((items + kGroupRows - 1) / kGroupRows * kGroupRows, -1);
            std::iota(slot_item.begin(), slot_item.begin() + static_cast<std::ptrdiff_t>(items), 0);
        }
        values.assign(slot_item.size() * code_depth(dim), 0);
        scale.assign(slot_item.size(), 0);
        error = encode_rows(matrix, unit, dim, {values, scale, slot_item, code_depth(dim)}, {});
    }

    /// Makes lengths count: rows a thousandth to once as long as the longest, all of them multiplied by one number.
    void stretch(float longest) {
        std::uniform_real_distribution<float> exponent(-3, 0);
        double most = 0;
        for (std::size_t i = 0; i < items; ++i) {
            const float factor = longest * std::pow(10.0f, exponent(engine));
            double squares = 0;
            for (std::size_t j = 0; j < dim; ++j) squares += std::pow(matrix[i * dim + j] *= factor, 2);
            most = std::max(most, squares);
        }
        unit.assign(items, static_cast<float>(1 / std::sqrt(most)));
        error = encode_rows(matrix, unit, dim, {values, scale, slot_item, code_depth(dim)}, {});
    }

    Codes codes() const { return {values, scale, slot_item, code_depth(dim), error}; }
    Rows rows() const { return {matrix, unit}; }

    std::vector<float> query() {
        std::normal_distribution<float> normal;
        const std::size_t near = engine() % items;
        std::vector<float> query(dim);
        double squares = 0;
        for (std::size_t j = 0; j < dim; ++j) {
            query[j] = matrix[near * dim + j] * unit[near] +
                       0.3f * normal(engine) / std::sqrt(static_cast<float>(dim));
            squares += query[j] * query[j];
        }
        for (float& x : query) x /= static_cast<float>(std::sqrt(squares));
        return query;
    }
};

void expect_same(const std::vector<ScoredItem>& actual, const std::vector<ScoredItem>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
        ASSERT_EQ(actual[i].item, expected[i].item) << i;
        ASSERT_EQ(actual[i].score, expected[i].score) << i;
    }
}

std::vector<ScoredItem> search(const Catalogue& catalogue, const std::vector<float>& query,
                               const ItemFilter& filter, const Wanted& wanted) {
    const Codes codes = catalogue.codes();
    Search search(codes, query, filter, wanted);
    Search::scan(std::span(&search, 1), 0, codes.groups());
    if (search.undecided()) return top_k(catalogue.rows(), query, filter, wanted, {});
    return std::move(search).best(catalogue.rows(), {});
}

TEST(Search, AnswersAsTheScanInFloat32DoesForAnyDimAndK) {
    for (const std::size_t dim : {1, 3, 4, 7, 16, 64, 100, 192}) {
        for (const std::size_t items : {1, 15, 16, 17, 1000, 5003}) {
            Catalogue catalogue(items, dim, static_cast<unsigned>(dim + items));
            ItemFilter filter(static_cast<std::int64_t>(items));
            Items some;
            for (std::size_t i = 0; i < items; i += 5) some.push_back(static_cast<std::int32_t>(i));
            filter.exclude(some);
            for (const std::int64_t k : {1, 10, 100, 10000}) {
                const auto query = catalogue.query();
                expect_same(search(catalogue, query, filter, {k}),
                            top_k(catalogue.rows(), query, filter, {k}, {}));
            }
        }
    }
}

/// Rows of unequal lengths and queries of any: what dot products are.
TEST(Search, AnswersAsTheScanInFloat32DoesForDotProducts) {
    for (const std::size_t dim : {1, 5, 64, 100})
        for (const float longest : {1e-4f, 1.0f, 1e4f})
            for (const float length : {1e-3f, 1.0f, 1e3f}) {
                Catalogue catalogue(3001, dim, static_cast<unsigned>(dim));
                catalogue.stretch(longest);
                const ItemFilter filter(3001);
                auto query = catalogue.query();
                for (float& x : query) x *= length * longest;
                const auto exact = top_k(catalogue.rows(), query, filter, {10}, {});
                expect_same(search(catalogue, query, filter, {10}), exact);
                const float least = exact[5].score;
                expect_same(search(catalogue, query, filter, {10, least}),
                            top_k(catalogue.rows(), query, filter, {10, least}, {}));
            }
}

TEST(Search, LooksAtFewItemsInFloat32) {
    Catalogue catalogue(50000, 64, 3);
    const Codes codes = catalogue.codes();
    const ItemFilter filter(50000);
    for (int round = 0; round < 20; ++round) {
        const auto query = catalogue.query();
        Search search(codes, query, filter, {10});
        Search::scan(std::span(&search, 1), 0, codes.groups());
        EXPECT_LT(search.candidates(), 2000u);
    }
}

TEST(Search, AllowListsAndLeastScores) {
    Catalogue catalogue(3000, 32, 5);
    ItemFilter filter(3000);
    Items allowed;
    for (std::int32_t i = 0; i < 3000; i += 13) allowed.push_back(i);
    const ItemSet only(3000, allowed);
    filter.allow_only(only);
    for (const float least : {-2.0f, 0.2f, 0.9f, 1.5f}) {
        const auto query = catalogue.query();
        expect_same(search(catalogue, query, filter, {20, least}),
                    top_k(catalogue.rows(), query, filter, {20, least}, {}));
        expect_same(top_k_of(allowed, catalogue.rows(), query, filter, {20, least}, {}),
                    top_k(catalogue.rows(), query, filter, {20, least}, {}));
    }
}

TEST(Search, EqualItemsComeInOrderOfTheirIndexes) {
    Catalogue catalogue(2000, 16, 9);
    for (std::size_t i = 0; i < 2000; ++i)
        std::copy_n(catalogue.matrix.begin(), 16,
                    catalogue.matrix.begin() + static_cast<std::ptrdiff_t>(i * 16));
    std::shuffle(catalogue.slot_item.begin(), catalogue.slot_item.end(), catalogue.engine);
    catalogue.encode();
    const ItemFilter filter(2000);
    const auto query = catalogue.query();
    const auto best = search(catalogue, query, filter, {100});
    for (std::int32_t i = 0; i < 100; ++i) EXPECT_EQ(best[static_cast<std::size_t>(i)].item, i);
}

/// More nearly equal items than candidates are kept of: the scan in float32 has to decide.
TEST(Search, GivesUpOnACatalogueOfCopies) {
    Catalogue catalogue(600000, 4, 2, 0);
    const Codes codes = catalogue.codes();
    const ItemFilter filter(600000);
    std::vector<float> query(catalogue.matrix.begin(), catalogue.matrix.begin() + 4);
    for (float& x : query) x *= catalogue.unit[0];
    for (std::size_t i = 0; i < 600000; ++i)
        std::copy_n(catalogue.matrix.begin(), 4,
                    catalogue.matrix.begin() + static_cast<std::ptrdiff_t>(i * 4));
    catalogue.encode();
    Search undecided(codes, query, filter, {10});
    Search::scan(std::span(&undecided, 1), 0, codes.groups());
    EXPECT_TRUE(undecided.undecided());
    expect_same(search(catalogue, query, filter, {10}), top_k(catalogue.rows(), query, filter, {10}, {}));
}

TEST(Search, PartsInAnyOrderAreOneScan) {
    Catalogue catalogue(4000, 48, 8);
    const Codes codes = catalogue.codes();
    const ItemFilter filter(4000);
    const auto query = catalogue.query();
    Search search(codes, query, filter, {10});
    for (const std::size_t part : {3, 0, 4, 1, 2}) Search::scan(std::span(&search, 1), part * 50, 50);
    expect_same(std::move(search).best(catalogue.rows(), {}),
                top_k(catalogue.rows(), query, filter, {10}, {}));
}

TEST(Search, ZeroRowsAndZeroQueries) {
    Catalogue catalogue(100, 8, 4);
    std::fill_n(catalogue.matrix.begin() + 8 * 30, 8, 0.0f);
    catalogue.encode();
    const ItemFilter filter(100);
    const auto query = catalogue.query();
    expect_same(search(catalogue, query, filter, {100}), top_k(catalogue.rows(), query, filter, {100}, {}));
    const std::vector<float> nothing(8);
    expect_same(search(catalogue, nothing, filter, {5}), top_k(catalogue.rows(), nothing, filter, {5}, {}));
}

TEST(Search, ADamagedRowCostsOnlyItself) {
    Catalogue catalogue(100, 8, 6);
    catalogue.scale[20] = NAN;
    catalogue.scale[30] = std::numeric_limits<float>::infinity();
    const ItemFilter filter(100);
    EXPECT_GE(search(catalogue, catalogue.query(), filter, {100}).size(), 99u);
}

TEST(Search, ASlotOfAnItemThatIsNotThereIsRefused) {
    Catalogue catalogue(100, 8, 6);
    catalogue.slot_item[7] = 100;
    const ItemFilter filter(100);
    const auto query = catalogue.query();
    EXPECT_EQ(error_of([&] { search(catalogue, query, filter, {100}); }), sqlstate::kDataCorrupted);
}

/// Both bounds hold for every slot, and kernels agree with one another.
TEST(Codes, BoundsHoldWithEveryKernel) {
    for (const std::size_t dim : {3, 16, 64, 129}) {
        Catalogue catalogue(1000, dim, static_cast<unsigned>(dim));
        const Codes codes = catalogue.codes();
        const auto query = catalogue.query();
        const CodeQuery coded(query, codes);
        std::vector<float> exact(1000);
        Items all(1000);
        std::iota(all.begin(), all.end(), 0);
        catalogue.rows().score(all, query, exact);
        for (const CodeKernel& kernel : code_kernels()) {
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
            const CodeQuery coded(query, codes);
            std::vector<float> upper(codes.scale.size());
            std::vector<std::uint16_t> mask(codes.groups());
            const Scoring scoring{&coded, 0, upper.data(), mask.data()};
            for (const CodeKernel& kernel : code_kernels()) {
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

TEST(Codes, KernelsAgree) {
    Catalogue catalogue(1000, 100, 11);
    const Codes codes = catalogue.codes();
    const CodeQuery coded(catalogue.query(), codes);
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

/// Queries that are scored together get what each gets alone, whatever their number and that of the groups.
TEST(Codes, TogetherOrAloneIsTheSame) {
    for (const std::size_t dim : {8, 100})
        for (const std::size_t items : {16, 48, 1000}) {
            Catalogue catalogue(items, dim, 12);
            const Codes codes = catalogue.codes();
            std::vector<CodeQuery> queries;
            for (int i = 0; i < 11; ++i) queries.emplace_back(catalogue.query(), codes);
            for (const CodeKernel& kernel : code_kernels()) expect_same_together(kernel, codes, queries);
        }
}

// --- lists ---

struct FourLists {
    std::vector<float> centroid{1, 0, 0, 1, -1, 0, 0, -1};
    std::vector<std::int64_t> first_group{0, 2, 2, 5, 6};
    Lists lists{centroid, first_group, 6, 2};
};

TEST(Lists, NearestFirstAndAsManyAsAsked) {
    const FourLists four;
    const std::vector<float> query{0.8f, 0.6f};
    EXPECT_EQ(four.lists.nearest(query, 0, 10, 0), (Items{0, 1}));
    EXPECT_EQ(four.lists.nearest(query, 1, 10, 0), (Items{0}));
    EXPECT_EQ(four.lists.nearest(query, 99, 10, 0), (Items{0, 1, 3, 2}));
    EXPECT_EQ(four.lists.nearest(query, 0, 40, 0), (Items{0, 1, 3, 2}));  // twice as many for four times k
}

TEST(Lists, GoOnUntilThereAreRowsEnough) {
    const FourLists four;
    const std::vector<float> query{0.8f, 0.6f};
    EXPECT_EQ(four.lists.nearest(query, 1, 10, 17), (Items{0}));        // two groups: 17 to 32 rows
    EXPECT_EQ(four.lists.nearest(query, 1, 10, 18), (Items{0, 1, 3}));  // list 1 is empty
    EXPECT_EQ(four.lists.nearest(query, 1, 10, 1000), (Items{0, 1, 3, 2}));
}

TEST(Lists, DamagedOnesAreRefused) {
    FourLists four;
    EXPECT_EQ(four.lists.groups(2), (std::pair<std::size_t, std::size_t>(2, 3)));
    four.first_group[3] = 7;
    EXPECT_EQ(error_of([&] { four.lists.groups(2); }), sqlstate::kDataCorrupted);
    four.first_group[3] = -1;
    EXPECT_EQ(error_of([&] { four.lists.groups(3); }), sqlstate::kDataCorrupted);
}

}  // namespace
}  // namespace seqrec
