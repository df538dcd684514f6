// How far items that nobody has had are moved, on scores made by hand.
#include "kinds/shared/cold_shift.hpp"

#include <gtest/gtest.h>

#include "featured_shop.hpp"
#include "few_weights.hpp"

namespace seqrec::trainer {
namespace {

using testing::FewWeights;

constexpr std::int64_t kShiftedItems = 60;

/// Walks over items of which a share is held out whole.
struct Cold {
    seqrec::testing::TempFolder folder;
    Dataset data;

    Cold(double share, int users) : data(written(users), options(share)) {}

    /// What everybody gives the items: in order, and to the held-out ones this instead, but for one that is above all.
    std::unique_ptr<const Weights> scored(float held_out, bool one_above_all = false) const {
        const at::Tensor scores = at::arange(kShiftedItems, at::kFloat).remainder(7) / 7;
        for (const std::int32_t item : data.held_out_items()) scores[item] = held_out;
        if (one_above_all) scores[data.held_out_items().front()] = 2;
        return std::make_unique<const FewWeights>(scores.unsqueeze(1), at::ones({data.users(), 1}));
    }

  private:
    static DatasetOptions options(double share) {
        DatasetOptions options = testing::with_repeats("keep");
        options.cold_share = share;
        return options;
    }
    std::string written(int users) const {
        testing::FeaturedData data{.sequences = testing::walks(users, kShiftedItems, 10),
                                   .items = kShiftedItems};
        data.damage["item.vector"] = at::ones({kShiftedItems, 2});
        data.write(folder / "dataset");
        return folder / "dataset";
    }
};

double chosen(const Cold& shop, const Shifted& shifted) {
    Workers workers(2);
    return choose_cold_shift(shop.data, shifted, workers, [](double) {});
}

TEST(ColdShift, StandsInAlongTheMeanQueryInMeanLengths) {
    const at::Tensor said = at::tensor({2.0F, 0.0F, 0.0F, 4.0F}).reshape({2, 2});
    const at::Tensor stands = stand_in(at::tensor({3.0F, 4.0F}), said, 0.5);
    EXPECT_TRUE(at::allclose(stands, at::tensor({0.9F, 1.2F})));
    EXPECT_EQ(stand_in(at::zeros({2}), said, 0.5).abs().max().item<float>(), 0) << "nobody asks for anything";
}

TEST(ColdShift, IsAsLargeAsCostsNothing) {
    const Cold shop(0.5, 1500);
    EXPECT_EQ(chosen(shop, [&](double) { return shop.scored(-1); }), 0.5);
}

TEST(ColdShift, DoesNotLetAFewNewItemsHideTheOthers) {
    const Cold shop(0.2, 1500);
    const Shifted above_all = [&](double share) { return shop.scored(share > 0.1 ? 2 : -1); };
    EXPECT_NEAR(chosen(shop, above_all), 0.1, 0.01);
}

TEST(ColdShift, IsNotPaidForByTheOthers) {
    const Cold shop(0.2, 1500);
    const Shifted one_above_all = [&](double share) { return shop.scored(-1, share > 0.13); };
    EXPECT_NEAR(chosen(shop, one_above_all), 0.13, 0.01)
        << "seen less often than asked for, and yet too dear";
}

TEST(ColdShift, HidesWhatCostsAtEveryShare) {
    const Cold shop(0.2, 1500);
    EXPECT_EQ(chosen(shop, [&](double) { return shop.scored(2); }), -0.1);
}

TEST(ColdShift, IsTheUsualAtMostWhereFewAskForNewItems) {
    const Cold shop(0, 1500);
    EXPECT_EQ(chosen(shop, [&](double) { return shop.scored(-1); }), 0.05);
}

TEST(ColdShift, IsTheUsualWhereTooFewAskToTell) {
    const Cold shop(0.5, 12);
    EXPECT_EQ(chosen(shop, [&](double) { return shop.scored(-1); }), 0.05);
}

TEST(ColdShift, OfTheOptionIsTaken) {
    const Cold shop(0.5, 1500);
    Workers workers(1);
    Reporter reporter;
    for (const double option : {0.7, 0.0, -0.1})
        EXPECT_EQ(
            settle_cold_shift({shop.data, workers, reporter}, option, [&](double) { return shop.scored(2); }),
            option);
}

}  // namespace
}  // namespace seqrec::trainer
