// The baselines on tables small enough to rank by hand.
#include "measure/baselines.hpp"

#include <gtest/gtest.h>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;
using testing::Sequences;
using Ranks = std::vector<std::int64_t>;

/// Training parts {0 1 0 2}, {1 1 2}, {3 1}: 1 four times, 0 and 2 twice, 3 once, 4 never, so popularity
/// ranks 1 0 2 3 4. After 0 came 1 and 2, after 1 came 0, 1 and 2, after 3 came 1.
const Sequences kShop = {{0, 1, 0, 2, 1, 0}, {1, 1, 2, 4, 1}, {3, 1, 3, 3}};

TEST(Baselines, RankAllItemsWhereRepeatsAreKept) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", kShop, 5);
    const Dataset data(folder / "dataset", testing::with_repeats("keep"));
    const BaselineRanks ranks = rank_baselines(data, data.questions(HeldOut::Test));
    // Asked: 0 after {0 1 0 2 1}, 1 after {1 1 2 4}, 3 after {3 1 3}.
    EXPECT_EQ(ranks.popularity, (Ranks{1, 0, 3}));
    // After 1: 1, 0 and 2 once each, by popularity. After 4: nothing, so popularity. After 3: 1, then 0, 2,
    // 3.
    EXPECT_EQ(ranks.markov, (Ranks{1, 0, 3}));
    // Own: 1 (twice, later), 0 (twice), 2; 1 (twice), 4, 2; 3 (twice), 1.
    EXPECT_EQ(ranks.personal, (Ranks{1, 0, 0}));
    const BaselineRanks before = rank_baselines(data, data.questions(HeldOut::Validation));
    // Asked: 1 after {0 1 0 2}, 4 after {1 1 2}, 3 after {3 1}.
    EXPECT_EQ(before.popularity, (Ranks{0, 4, 3}));
    EXPECT_EQ(before.markov, (Ranks{0, 4, 3}));
    // Own: 0 (twice), 2 (later), 1; 1, 2, then 0, 3, 4; 1 (later), 3.
    EXPECT_EQ(before.personal, (Ranks{2, 4, 1}));
}

/// Reduced: {0 1 2}, {1 2 4}, {3 1}; training {0}, {1}, {3 1}: 1 twice, 0 and 3 once, 2 and 4 never.
TEST(Baselines, DoNotRankWhatIsSeenWhereRepeatsAreReduced) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", kShop, 5);
    const Dataset data(folder / "dataset", testing::with_repeats("first"));
    const BaselineRanks ranks = rank_baselines(data, data.questions(HeldOut::Test));
    // Asked: 2 after {0 1}, of 3 2 4; 4 after {1 2}, of 0 3 4.
    EXPECT_EQ(ranks.popularity, (Ranks{1, 2}));
    EXPECT_EQ(ranks.markov, (Ranks{1, 2}));
    EXPECT_EQ(ranks.personal, ranks.popularity);
}

/// Of successors the more frequent first, and what never followed by popularity behind them.
TEST(Baselines, MarkovRanksSuccessorsByCount) {
    const TempFolder folder;
    // Training parts: {0 3 0 3 0 2}, {1 1 1}, {0}; popularity 0, then 1, 3, 2; after 0 came 3 twice, 2 once.
    testing::write_dataset(folder / "dataset", {{0, 3, 0, 3, 0, 2, 0, 3}, {1, 1, 1, 0, 2}, {0, 0, 1}}, 4);
    const Dataset data(folder / "dataset", testing::with_repeats("keep"));
    const BaselineRanks ranks = rank_baselines(data, data.questions(HeldOut::Test));
    EXPECT_EQ(ranks.markov, (Ranks{0, 1, 3}));  // 3, 2 and 1 after 0: 3, 2, 0, 1
}

/// By time every event of the last tenth that has one before it is asked for, also a user's second.
TEST(Baselines, AnswerEachQuestionOfAUser) {
    const TempFolder folder;
    Sequences sequences = {{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0}, {2, 1, 2, 1}};  // at 0 to 19
    testing::write_dataset(folder / "dataset", sequences, 3);
    DatasetOptions options = testing::with_repeats("keep");
    options.split = Split::Time;
    const Dataset data(folder / "dataset", options);
    ASSERT_EQ(data.questions(HeldOut::Test), (std::vector<Question>{{1, 2}, {1, 3}}));
    const BaselineRanks ranks = rank_baselines(data, data.questions(HeldOut::Test));
    // Counts of the first 16: 0 six times, 1 and 2 five. Asked: 2 after {2 1}, 1 after {2 1 2}.
    EXPECT_EQ(ranks.popularity, (Ranks{2, 1}));
    EXPECT_EQ(ranks.markov, (Ranks{0, 1}));    // 2 follows 1; 0 follows 2, then 1 by popularity
    EXPECT_EQ(ranks.personal, (Ranks{1, 1}));  // 1 is later; 2 more frequent
}

}  // namespace
}  // namespace seqrec::trainer
