// Columns of users as rows of features.
#include "kinds/shared/user_features.hpp"

#include "featured_shop.hpp"

namespace seqrec::trainer {
namespace {

using testing::FeaturedData;
using testing::FeaturedShop;

FeaturedData people() {
    FeaturedData data{{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}}, 3};
    data.user = {{"gender", "category", {}, {{"f"}, {"m"}, {}}},
                 {"age", "number", {20, 40, testing::kMissing}, {}}};
    return data;
}

TEST(UserFeatures, EveryValueHasARow) {
    const FeaturedShop shop(people());
    const UserFeatures features(shop.data);
    ASSERT_EQ(features.users(), 3);
    EXPECT_EQ(features.columns().size(), 2U);
    EXPECT_EQ(features.rows(), static_cast<std::int64_t>(features.names().size()));
    EXPECT_EQ(features.names()[0], "gender\ncategory\n=f");
    EXPECT_TRUE(features.knows(0));
    EXPECT_FALSE(features.knows(2)) << "that nothing is known is no knowledge";
    EXPECT_EQ(features.of(2).size(), 2U);
    EXPECT_NE(features.of(0)[0].row, features.of(1)[0].row);
}

TEST(UserFeatures, WithoutATableThereAreNone) {
    const testing::Shop shop({{0, 1, 2}}, 3);
    const UserFeatures features(shop.data);
    EXPECT_EQ(features.rows(), 0);
    EXPECT_FALSE(features.knows(0));
    EXPECT_TRUE(features.columns().empty());
}

}  // namespace
}  // namespace seqrec::trainer
