// Rows of items that nobody has had: by what is said of them, or none.
#include "kinds/transformer/fresh_rows.hpp"

#include <gtest/gtest.h>

#include "featured_shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kRowItems = 4, kRowDim = 8,
                       kRowWidth = 3;  // items: trained, described, neither, trained

struct RowShop {
    seqrec::testing::TempFolder folder;
    Content content{at::ones({kRowItems, kRowWidth}), {1, 1, 0, 0}, {1, 0, 0, 1}};
    Members members;
    Tensor before;

    RowShop() {
        testing::FeaturedData data{.sequences = testing::walks(50, kRowItems, 10), .items = kRowItems};
        data.write(folder / "dataset");
        const Dataset read(folder / "dataset", testing::with_repeats("keep"));
        Random draws(3);
        const Settings settings(testing::small_options({{"dim", kRowDim}}), read, nullptr);
        Member member{Transformer(settings, kRowItems, draws, kRowWidth), at::zeros({read.users(), kRowDim})};
        content.rows[2].zero_();
        content.rows[3].zero_();
        member.own = before = at::randn({kRowItems, kRowDim});
        members.push_back(member);
    }
};

TEST(FreshRows, AreWhatIsSaidAndWhatStandsInForTheRest) {
    RowShop shop;
    set_fresh_rows(shop.members, shop.content, at::ones({kRowDim}), 0.5);
    const Member& member = shop.members[0];
    EXPECT_TRUE(at::equal(member.own[1], member.fresh.reshape({kRowDim})));
    EXPECT_GT(member.network.item[1].norm().item<double>(), 0);
}

TEST(FreshRows, OfWhichNothingIsKnownAreZero) {
    RowShop shop;
    set_fresh_rows(shop.members, shop.content, at::ones({kRowDim}), 0.5);
    EXPECT_EQ(shop.members[0].network.item[2].abs().max().item<double>(), 0);
}

TEST(FreshRows, LeaveThoseThatWereTrainedOn) {
    RowShop shop;
    set_fresh_rows(shop.members, shop.content, at::ones({kRowDim}), 0.5);
    EXPECT_TRUE(at::equal(shop.members[0].own[0], shop.before[0]));
    EXPECT_TRUE(at::equal(shop.members[0].own[3], shop.before[3]));
}

}  // namespace
}  // namespace seqrec::trainer
