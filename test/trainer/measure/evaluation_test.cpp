// Ranking on tables small enough to rank by hand, with weights that say what they are told to.
#include "measure/evaluation.hpp"

#include <gtest/gtest.h>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;
using Ranks = std::vector<std::int64_t>;

constexpr std::int64_t kItems = 6;

/// The latest item scores 1, the one after it 0.5, the others by index from 0.05 down; a known user adds 0.2
/// to item 5.
class Pointer : public Weights {
  public:
    at::Tensor item_rows() const override { return at::eye(kItems); }
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override {
        at::Tensor queries = at::empty({static_cast<std::int64_t>(histories.size()), kItems});
        for (std::size_t i = 0; i < histories.size(); ++i) {
            float* query = queries.data_ptr<float>() + static_cast<std::int64_t>(i) * kItems;
            for (std::int64_t item = 0; item < kItems; ++item)
                query[item] = 0.05F - 0.001F * static_cast<float>(item);
            if (users[i] >= 0) query[5] += 0.2F;
            query[(histories[i].back() + 1) % kItems] = 0.5F;
            query[histories[i].back()] = 1;
        }
        return queries;
    }
    at::Tensor user_rows() const override { return at::empty({0, 0}); }
    std::vector<NamedTensor> tensors() const override { return {}; }
};

Ranking rank(const Dataset& data, const Shifts& shifts = {}) {
    Workers workers(2);
    return rank_held_out(data, data.questions(HeldOut::Test), HeldOut::Test, Pointer(), shifts, workers,
                         [](double) {});
}

TEST(Evaluation, RanksAllItemsWhereRepeatsAreKept) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 2, 3}, {0, 1, 2, 2}, {3, 1, 0, 3}}, kItems);
    const Dataset data(folder / "dataset", testing::with_repeats("keep"));
    // After 2: 2 3 5 0 1 4; after 0: 0 1 5 2 3 4.
    EXPECT_EQ(rank(data).ranks, (Ranks{1, 0, 4}));
    EXPECT_EQ(rank(data).coverage, 1);
}

TEST(Evaluation, LeavesOutWhatIsSeenWhereRepeatsAreReduced) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 2, 2, 3}, {0, 3, 1, 4}}, kItems);
    const Dataset data(folder / "dataset", testing::with_repeats("first"));
    // After 0 1 2: 3 5 4; after 0 3 1: 2 5 4.
    EXPECT_EQ(rank(data).ranks, (Ranks{0, 2}));
}

/// Who is first met after the training part has no vector, whatever the weights hold.
TEST(Evaluation, UsersWithoutATrainingPartAreUnknown) {
    const TempFolder folder;
    testing::Sequences sequences(9, {0, 1, 2, 3, 4, 5, 0, 1, 2, 3});
    sequences.push_back({0, 1, 2, 3, 4, 5, 0, 1, 0, 5});
    testing::write_dataset(folder / "dataset", sequences, kItems);
    const Dataset data(folder / "dataset", testing::with_repeats("keep", true));
    ASSERT_EQ(data.questions(HeldOut::Test).back(), (Question{9, 9}));
    ASSERT_TRUE(data.training(9).empty());
    EXPECT_EQ(rank(data).ranks.back(), 5);  // after 0: 0 1, then 2 3 4 5 by index
}

/// The very same is never taken again at once, but may come back later.
TEST(Shifts, PushBackWhatIsNotTakenAgainAtOnce) {
    const TempFolder folder;
    const testing::Sequences sequences(30, {0, 1, 2, 0, 1, 2, 0, 1});
    testing::write_dataset(folder / "dataset", sequences, kItems);
    const Dataset data(folder / "dataset", testing::with_repeats("keep"));
    EXPECT_EQ(rank(data).ranks, Ranks(30, 1));
    Workers workers(2);
    const Shifts shifts =
        fit_shifts(data, data.questions(HeldOut::Validation), Pointer(), workers, [](double) {});
    ASSERT_EQ(shifts.size(), static_cast<std::size_t>(kAges));
    EXPECT_LT(shifts[0], -0.4F);
    EXPECT_EQ(rank(data, shifts).ranks, Ranks(30, 0));
}

TEST(Shifts, BringForwardWhatIsTakenAgain) {
    const TempFolder folder;
    const testing::Sequences sequences(30, {4, 2, 0, 4, 2, 0, 4, 2, 0});
    testing::write_dataset(folder / "dataset", sequences, kItems);
    const Dataset data(folder / "dataset", testing::with_repeats("keep"));
    EXPECT_EQ(rank(data).ranks, Ranks(30, 3));  // after 2: 2 3 5 0 1 4
    Workers workers(2);
    const Shifts shifts =
        fit_shifts(data, data.questions(HeldOut::Validation), Pointer(), workers, [](double) {});
    EXPECT_LT(rank(data, shifts).ranks.front(), 2);
}

/// A few questions tell nothing: what an earlier model found stays, or nothing is added.
TEST(Shifts, FollowNoChance) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 2, 0, 1, 2, 0, 1}, {4, 2, 0, 4, 2, 0, 4, 2, 0}},
                           kItems);
    const Dataset data(folder / "dataset", testing::with_repeats("keep"));
    Workers workers(1);
    const auto fit = [&](const Shifts& before) {
        return fit_shifts(
            data, data.questions(HeldOut::Validation), Pointer(), workers, [](double) {}, before);
    };
    EXPECT_EQ(fit({}), Shifts(kAges, 0.0F));
    const Shifts before = fit(Shifts(kAges, -0.9F));
    EXPECT_LT(before[0], -0.2F);
    EXPECT_EQ(before, Shifts(kAges, before[0]));
}

TEST(Shifts, AreNoneWhereRepeatsAreReduced) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 2, 3}}, kItems);
    const Dataset data(folder / "dataset", testing::with_repeats("first"));
    Workers workers(1);
    EXPECT_TRUE(
        fit_shifts(data, data.questions(HeldOut::Validation), Pointer(), workers, [](double) {}).empty());
}

}  // namespace
}  // namespace seqrec::trainer
