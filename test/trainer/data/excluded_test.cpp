// What users have said no to: when a question is asked, and in the model.
#include "data/excluded.hpp"

#include "featured_shop.hpp"

namespace seqrec::trainer {
namespace {

using testing::FeaturedData;
using testing::FeaturedShop;

FeaturedData shop(std::vector<std::uint8_t> marks) {
    FeaturedData data{.sequences = {{0, 1, 2, 1}, {3, 0, 3, 2}}, .items = 4};
    data.damage["event.excluded"] = testing::tensor_of(marks, at::kByte);
    return data;
}

TEST(Excluded, IsWhatWasSaidNoToBefore) {
    const FeaturedShop of(shop({0, 1, 0, 1, 1, 0, 1, 0}));
    const Excluded excluded(of.data);
    EXPECT_TRUE(excluded.any());
    EXPECT_EQ(excluded.before(of.data, {0, 1}), std::vector<std::int32_t>{});
    EXPECT_EQ(excluded.before(of.data, {0, 3}), std::vector<std::int32_t>{1});
    EXPECT_EQ(excluded.before(of.data, {1, 3}), std::vector<std::int32_t>{3});
    const auto tensors = excluded.tensors();
    ASSERT_EQ(tensors.size(), 2U);
    EXPECT_EQ(tensors[0].name, "excluded.offsets");
    EXPECT_TRUE(at::equal(tensors[0].tensor, at::tensor({0, 1, 2}, at::kLong)));
    EXPECT_TRUE(at::equal(tensors[1].tensor, at::tensor({1, 3}, at::kInt)));
}

TEST(Excluded, IsNothingWithoutMarks) {
    FeaturedData data = shop({});
    data.damage.clear();
    const FeaturedShop of(data);
    EXPECT_FALSE(Excluded(of.data).any());
    EXPECT_TRUE(Excluded(of.data).tensors().empty());
    const FeaturedShop none(shop(std::vector<std::uint8_t>(8, 0)));
    EXPECT_FALSE(Excluded(none.data).any());
    EXPECT_EQ(Excluded(none.data).tensors().size(), 2U) << "the option was given";
}

TEST(Excluded, RefusesDamage) {
    const FeaturedShop of(shop({1, 0}));
    EXPECT_EQ(seqrec::testing::error_of([&] { Excluded(of.data); }), sqlstate::kDataCorrupted);
}

}  // namespace
}  // namespace seqrec::trainer
