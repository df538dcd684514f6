// Which lists a search reads.
#include "core/scan/lists.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using Items = std::vector<std::int32_t>;

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

TEST(Lists, EquallyNearOnesComeInOrder) {
    FourLists four;
    four.centroid = {1, 0, 1, 0, 1, 0, 1, 0};
    EXPECT_EQ(four.lists.nearest(std::vector<float>{1, 0}, 3, 10, 0), (Items{0, 1, 2}));
}

}  // namespace
}  // namespace seqrec
