// The scan of bytes answers as the scan in float32 does.
#include "core/scan/search.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "scan/catalogue.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using testing::Catalogue;
using testing::error_of;
using Items = std::vector<std::int32_t>;

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

}  // namespace
}  // namespace seqrec
