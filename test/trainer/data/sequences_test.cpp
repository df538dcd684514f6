// Order within one time: drawn anew where it says nothing; what is held out whole is not there.
#include "data/sequences.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "featured_shop.hpp"

namespace seqrec::trainer {
namespace {

using testing::FeaturedData;

/// Baskets of four items at one time each; `sorted`: in the order of the items, else in a drawn one.
testing::Sequences baskets(bool sorted) {
    Random random(7);
    testing::Sequences users;
    for (int u = 0; u < 400; ++u) {
        std::vector<std::int32_t> all;
        for (int b = 0; b < 3; ++b) {
            std::vector<std::int32_t> basket;
            const auto kind = static_cast<std::int32_t>(random.below(4));
            for (std::int32_t i = 0; i < 4; ++i)
                basket.push_back(kind * 6 + static_cast<std::int32_t>(random.below(6)));
            if (sorted) std::ranges::sort(basket);
            all.insert(all.end(), basket.begin(), basket.end());
        }
        users.push_back(all);
    }
    return users;
}

struct Baskets {
    seqrec::testing::TempFolder folder;
    Dataset data;

    explicit Baskets(const testing::Sequences& users, std::size_t clock = 4)
        : data(written(users, clock), testing::with_repeats("keep")) {}

  private:
    std::string written(const testing::Sequences& users, std::size_t clock) const {
        testing::write_dataset(folder / "dataset", users, 24, "", {}, clock);
        return folder / "dataset";
    }
};

TEST(Sequences, TellsAnOrderThatWasDrawnFromOneThatMeansSomething) {
    EXPECT_TRUE(is_order_arbitrary(Baskets(baskets(false)).data));
    EXPECT_FALSE(is_order_arbitrary(Baskets(baskets(true)).data));
    EXPECT_FALSE(is_order_arbitrary(Baskets(baskets(false), 1).data));  // every time is another
}

TEST(Sequences, DrawsAnewWithinOneTimeAlone) {
    const Baskets shop(baskets(true));
    Random random(1);
    const Sequences drawn(shop.data, Part::All, &random), given(shop.data, Part::All, nullptr);
    int moved = 0;
    for (std::int64_t u = 0; u < shop.data.users(); ++u)
        for (std::size_t basket = 0; basket < 12; basket += 4) {
            std::vector<std::int32_t> a(drawn.of(u).begin() + basket, drawn.of(u).begin() + basket + 4),
                b(given.of(u).begin() + basket, given.of(u).begin() + basket + 4);
            moved += a != b;
            std::ranges::sort(a);
            EXPECT_EQ(a, b);
        }
    EXPECT_GT(moved, 600);  // of 1200
}

/// Users in a row of ten items of which each has a vector.
FeaturedData with_vectors() {
    FeaturedData data{.sequences = testing::walks(300, 40, 12), .items = 40};
    data.damage["item.vector"] = at::rand({40, 4});
    return data;
}

TEST(Sequences, LeaveOutWhatIsHeldOutWhole) {
    const seqrec::testing::TempFolder folder;
    with_vectors().write(folder / "dataset");
    DatasetOptions options = testing::with_repeats("keep");
    options.cold_share = 0.1;
    const Dataset data(folder / "dataset", options);
    ASSERT_EQ(data.held_out_items().size(), 4U);
    const Sequences training(data, Part::Training, nullptr), all(data, Part::All, nullptr);
    std::int64_t cold = 0;
    for (std::int64_t u = 0; u < data.users(); ++u) {
        for (const std::int32_t item : training.of(u)) EXPECT_FALSE(data.is_held_out(item));
        for (const std::int32_t item : all.of(u)) cold += data.is_held_out(item);
        EXPECT_EQ(all.of(u).size(), data.sequence(u).size());
    }
    EXPECT_GT(cold, 0);
}

TEST(Dataset, AsksAboutItemsHeldOutWholeApart) {
    const seqrec::testing::TempFolder folder;
    with_vectors().write(folder / "dataset");
    DatasetOptions options = testing::with_repeats("keep");
    const Dataset whole(folder / "dataset", options);
    options.cold_share = 0.1;
    const Dataset data(folder / "dataset", options);
    const auto target = [&](const Question& q) {
        return data.sequence(q.user)[static_cast<std::size_t>(q.at)];
    };
    for (const HeldOut which : {HeldOut::Validation, HeldOut::Test}) {
        ASSERT_FALSE(data.cold_questions(which).empty());
        for (const Question& q : data.cold_questions(which)) EXPECT_TRUE(data.is_held_out(target(q)));
        for (const Question& q : data.questions(which)) EXPECT_FALSE(data.is_held_out(target(q)));
        EXPECT_EQ(data.questions(which).size() + data.cold_questions(which).size(),
                  whole.questions(which).size());
    }
    EXPECT_TRUE(whole.held_out_items().empty());
}

TEST(Dataset, HoldsOutNoItemOfWhichNothingIsKnown) {
    const seqrec::testing::TempFolder folder;
    FeaturedData shop = with_vectors();
    at::Tensor vectors = at::full({40, 4}, NAN);
    vectors.narrow(0, 0, 10).fill_(1);
    shop.damage["item.vector"] = vectors;
    shop.write(folder / "dataset");
    DatasetOptions options = testing::with_repeats("keep");
    options.cold_share = 0.5;
    const Dataset data(folder / "dataset", options);
    EXPECT_EQ(data.held_out_items().size(), 5U);
    for (const std::int32_t item : data.held_out_items()) EXPECT_LT(item, 10);
}

}  // namespace
}  // namespace seqrec::trainer
