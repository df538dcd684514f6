// Which items an answer may hold.
#include "core/scan/item_filter.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <set>
#include <vector>

namespace seqrec {
namespace {

using Items = std::vector<std::int32_t>;

TEST(ItemFilter, FewItemsAreThoseGiven) {
    EXPECT_FALSE(FewItems().contains(0));
    EXPECT_FALSE(FewItems(Items{}).contains(0));
    std::mt19937 random(3);
    for (const std::size_t count : {1, 2, 3, 100, 5000}) {
        Items items;
        for (std::size_t i = 0; i < count; ++i) items.push_back(static_cast<std::int32_t>(random() % 10000));
        items.push_back(std::numeric_limits<std::int32_t>::max());
        const std::set<std::int32_t> known(items.begin(), items.end());
        const FewItems few(items);
        EXPECT_EQ(few.size(), known.size());
        for (std::int32_t item = 0; item < 10000; ++item) EXPECT_EQ(few.contains(item), known.contains(item));
        EXPECT_TRUE(few.contains(items.back()));
    }
}

TEST(ItemFilter, ASetCountsItsItemsOnce) {
    EXPECT_EQ(ItemSet().size(), 0u);
    EXPECT_EQ(ItemSet(130, Items{1, 63, 128, 129, 1}).size(), 4u);
    EXPECT_EQ(ItemSet(64, Items{0, 63}).size(), 2u);
    ItemSet growing(130);
    growing.add(Items{-1, 129, -1});
    growing.add(Items{0, 129});
    EXPECT_EQ(growing.sorted(), (Items{0, 129}));
}

TEST(ItemFilter, ExcludesAndAllows) {
    ItemFilter filter(130);
    EXPECT_TRUE(filter.admits(129));
    filter.exclude(Items{64, 0, 64, 129, 63});
    for (std::int32_t item = 0; item < 130; ++item)
        EXPECT_EQ(filter.admits(item), item != 0 && item != 63 && item != 64 && item != 129) << item;
    const ItemSet some(130, Items{1, 63, 128, 129, 1});
    filter.allow_only(some);
    for (std::int32_t item = 0; item < 130; ++item)
        EXPECT_EQ(filter.admits(item), item == 1 || item == 128) << item;
    ItemFilter none(130);
    const ItemSet nothing(130, {});
    none.allow_only(nothing);
    EXPECT_EQ(some.sorted(), (Items{1, 63, 128, 129}));
    EXPECT_EQ(nothing.sorted(), Items{});
    EXPECT_FALSE(none.admits(5));
}

TEST(ItemFilter, ExcludesWhatWasSaidLast) {
    ItemFilter filter(10);
    EXPECT_EQ(filter.excluded(), 0U);
    filter.exclude(Items{1, 2, 1});
    EXPECT_EQ(filter.excluded(), 2U);
    filter.exclude(Items{3});
    EXPECT_EQ(filter.excluded(), 1U);
    EXPECT_TRUE(filter.admits(1));
    EXPECT_FALSE(filter.admits(3));
    EXPECT_EQ(filter.items(), 10);
}

/// Items that fall on one slot, and the largest index there can be.
TEST(ItemFilter, FewItemsProbeOn) {
    Items items;
    for (std::int32_t i = 0; i < 64; ++i) items.push_back(i << 25);  // the hash drops low bits
    items.push_back(std::numeric_limits<std::int32_t>::max());
    const FewItems few(items);
    for (const std::int32_t item : items) EXPECT_TRUE(few.contains(item)) << item;
    for (std::int32_t i = 0; i < 64; ++i) EXPECT_FALSE(few.contains((i << 25) + 1)) << i;
}

}  // namespace
}  // namespace seqrec
