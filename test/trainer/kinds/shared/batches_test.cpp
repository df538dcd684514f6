// Windows, steps and shards: every label once, none of the future, work spread evenly.
#include "kinds/shared/batches.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using testing::Shop;

std::vector<std::int32_t> range(std::int32_t count) {
    std::vector<std::int32_t> items;
    for (std::int32_t i = 0; i < count; ++i) items.push_back(i);
    return items;
}

TEST(Packed, LaysSequencesEndToEnd) {
    Packed packed;
    packed.append(std::vector<std::int32_t>{5, 6}, 1);
    packed.append({}, 2);
    packed.append(std::vector<std::int32_t>{7}, -1);
    EXPECT_EQ(packed.items, (std::vector<std::int32_t>{5, 6, 7}));
    EXPECT_EQ(packed.offsets, (std::vector<std::int64_t>{0, 2, 2, 3}));
    EXPECT_EQ(packed.users, (std::vector<std::int32_t>{1, 2, -1}));
    EXPECT_EQ(packed.tokens(), 3);
    EXPECT_EQ(packed.sequences(), 3);
}

TEST(Windows, CoverEveryLabelOnce) {
    const Shop shop({range(40), range(3), range(2), {7}}, 40);
    for (const Part part : {Part::Training, Part::All})
        for (const std::int64_t max_len : {2, 7, 100}) {
            Random random(1);
            std::map<std::int32_t, std::vector<int>> seen;
            for (const Window& window : cut_windows(Sequences(shop.data, part, nullptr), max_len, random)) {
                ASSERT_GE(window.begin, 0);
                ASSERT_LE(window.end - window.begin, max_len);
                auto& labels = seen[window.user];
                labels.resize(shop.data.part(window.user, part).size() - 1);
                for (std::int32_t i = window.begin; i < window.end; ++i)
                    ++labels.at(static_cast<std::size_t>(i));
            }
            for (std::int32_t u = 0; u < shop.data.users(); ++u) {
                const std::size_t length = shop.data.part(u, part).size();
                if (length < 2)
                    EXPECT_FALSE(seen.contains(u)) << u;
                else
                    EXPECT_EQ(seen[u], std::vector<int>(length - 1, 1)) << u;
            }
        }
}

TEST(Windows, BeginElsewhereEachEpochWhereAHistoryIsLong) {
    const Shop shop({range(30), range(5)}, 30);
    Random random(1);
    std::set<std::int32_t> cuts;
    for (int epoch = 0; epoch < 60; ++epoch)
        for (const Window& window : cut_windows(Sequences(shop.data, Part::All, nullptr), 4, random)) {
            if (window.user == 0 && window.begin == 0) cuts.insert(window.end);
            EXPECT_TRUE(window.user == 0 || window.begin == 0) << "a short history is left whole";
        }
    EXPECT_EQ(cuts, (std::set<std::int32_t>{1, 2, 3, 4}));
}

TEST(Steps, EndWhereTheyAreFull) {
    const std::vector<Window> windows{{0, 0, 4}, {1, 0, 4}, {2, 0, 3}, {3, 0, 20}, {4, 0, 1}, {5, 0, 9}};
    EXPECT_EQ(cut_steps(windows, 10), (std::vector<std::size_t>{2, 3, 4, 6}));
    EXPECT_EQ(cut_steps(windows, 1000), (std::vector<std::size_t>{6}));
    EXPECT_EQ(cut_steps(windows, 1), (std::vector<std::size_t>{1, 2, 3, 4, 5, 6}));
    EXPECT_TRUE(cut_steps({}, 10).empty());
}

std::vector<Window> all_windows(const Dataset& data, std::int64_t max_len) {
    Random random(3);
    return cut_windows(Sequences(data, Part::All, nullptr), max_len, random);
}

TEST(Shards, HoldWhatFollowsEachInput) {
    const Shop shop({{4, 2, 0, 1}, {3, 1}}, 5);
    Random random(1);
    const auto shards =
        pack_shards(Sequences(shop.data, Part::All, nullptr), all_windows(shop.data, 10), 1, 0, random);
    ASSERT_EQ(shards.size(), 1U);
    EXPECT_EQ(shards[0].items, (std::vector<std::int32_t>{4, 2, 0, 3}));  // the longest first
    EXPECT_EQ(shards[0].labels, (std::vector<std::int32_t>{2, 0, 1, 1}));
    EXPECT_EQ(shards[0].users, (std::vector<std::int32_t>{0, 1}));
    EXPECT_TRUE(shards[0].trained.empty());  // every position has a label
}

TEST(Shards, HaveNearlyEqualWork) {
    const Shop shop(testing::walks(300, 80, 60), 80);
    const auto windows = all_windows(shop.data, 60);
    Random random(1);
    const auto shards = pack_shards(Sequences(shop.data, Part::All, nullptr), windows, 4, 0, random);
    std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = 0, labels = 0, inputs = 0;
    for (const Packed& shard : shards) {
        least = std::min(least, shard.tokens());
        most = std::max(most, shard.tokens());
        labels += static_cast<std::int64_t>(shard.labels.size());
    }
    for (const Window& window : windows) inputs += window.end - window.begin;
    EXPECT_EQ(labels, inputs);
    EXPECT_LT(static_cast<double>(most - least) / static_cast<double>(most), 0.02);
}

TEST(Shards, OfFewWindowsMayBeEmpty) {
    const Shop shop({{0, 1}}, 2);
    Random random(1);
    const auto shards =
        pack_shards(Sequences(shop.data, Part::All, nullptr), all_windows(shop.data, 10), 3, 0, random);
    ASSERT_EQ(shards.size(), 3U);
    EXPECT_EQ(shards[0].tokens(), 1);
    EXPECT_EQ(shards[1].tokens() + shards[2].tokens(), 0);
}

TEST(Shards, ForgetTheUserAsOftenAsAsked) {
    const Shop shop(testing::walks(2000, 20, 5), 20);
    const auto windows = all_windows(shop.data, 10);
    for (const double share : {0.0, 0.3, 1.0}) {
        Random random(1);
        const auto shards = pack_shards(Sequences(shop.data, Part::All, nullptr), windows, 1, share, random);
        const auto& users = shards[0].users;
        EXPECT_NEAR(static_cast<double>(std::ranges::count(users, -1)) / static_cast<double>(users.size()),
                    share, 0.04);
    }
}

TEST(Shards, DrawOtherMasksForEachStepAndShard) {
    const Shop shop({{0, 1}, {1, 0}}, 2);
    const auto windows = all_windows(shop.data, 10);
    Random random(1);
    const auto first = pack_shards(Sequences(shop.data, Part::All, nullptr), windows, 2, 0, random);
    const auto second = pack_shards(Sequences(shop.data, Part::All, nullptr), windows, 2, 0, random);
    EXPECT_EQ((std::set{first[0].seed, first[1].seed, second[0].seed, second[1].seed}).size(), 4U);
}

/// Of what an earlier model has learned a quarter is kept; what is new is kept whole.
TEST(Shards, TrainOnWhatIsNewAndSomeOfWhatIsOld) {
    constexpr std::int32_t kLength = 400, kKnown = 300;
    Shop shop({range(kLength)}, kLength);
    shop.data.know_until({kKnown - 0.5});  // event i has the time i
    ASSERT_EQ(shop.data.known(0), kKnown);
    Random random(1);
    const Sequences sequences(shop.data, Part::All, nullptr);
    std::int64_t old = 0, fresh = 0;
    constexpr int kTimes = 400;
    for (int time = 0; time < kTimes; ++time) {
        const auto shards = pack_shards(sequences, cut_windows(sequences, 50, random), 1, 0, random);
        const Packed& shard = shards[0];
        ASSERT_EQ(shard.labels.size(), shard.trained.size());
        EXPECT_GE(shard.tokens(), kLength - kKnown);  // of the old whole windows are left out
        EXPECT_LT(shard.tokens(), kLength);
        for (std::size_t i = 0; i < shard.labels.size(); ++i) {
            EXPECT_EQ(shard.labels[i], shard.items[static_cast<std::size_t>(shard.trained[i])] + 1);
            (shard.labels[i] < kKnown ? old : fresh) += 1;
        }
    }
    EXPECT_EQ(fresh, kTimes * (kLength - kKnown));
    EXPECT_NEAR(static_cast<double>(old) / (kTimes * (kKnown - 1)), kOldShare, 0.02);
}

TEST(Packed, KnowsWhereInputsAndLabelsAre) {
    const seqrec::testing::TempFolder folder;
    testing::write_dataset(folder / "dataset", testing::walks(30, 20, 12), 20, "", {}, 4);
    const Dataset data(folder / "dataset");
    Random random(1), order(2);
    const Sequences sequences(data, Part::All, &order);  // what happened at one time is drawn anew
    const auto windows = cut_windows(sequences, 4, random);
    const auto all = data.items_of_sequences();
    for (const Packed& shard : pack_shards(sequences, windows, 2, 0, random)) {
        ASSERT_EQ(shard.places.size(), shard.items.size());
        ASSERT_EQ(shard.label_places.size(), shard.labels.size());
        for (std::size_t t = 0; t < shard.items.size(); ++t)
            EXPECT_EQ(all[static_cast<std::size_t>(shard.places[t])], shard.items[t]);
        for (std::size_t t = 0; t < shard.labels.size(); ++t)
            EXPECT_EQ(all[static_cast<std::size_t>(shard.label_places[t])], shard.labels[t]);
    }
}

}  // namespace
}  // namespace seqrec::trainer
