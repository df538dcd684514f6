// What an earlier model says again.
#include "kinds/transformer/rehearsal.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::int64_t kRehearsedItems = 6;
constexpr double kRehearsalTemperature = 0.5, kShare = 2;

/// A network that was not trained, which prefers some items to others all the same, and knows all but item 2.
struct Told {
    testing::Shop shop;
    Members earlier;
    EarlierItems items{{0, 1, 3, 4, 5}, {8, 0, 1, 1, 1}};
    Workers workers;

    explicit Told(const char* repeats = "keep", int threads = 1)
        : shop(testing::walks(40, kRehearsedItems, 6), kRehearsedItems, testing::with_repeats(repeats)),
          workers(threads) {
        const Settings settings(testing::small_options({{"max_len", 4}}), shop.data, nullptr);
        Random random(3);
        earlier.push_back(
            {Transformer(settings, kRehearsedItems, random), at::zeros({shop.data.users(), settings.dim})});
    }

    Rehearsal rehearse(std::int64_t positions = 400) {
        return {earlier, items, shop.data, kRehearsalTemperature, kShare, positions, 7, workers};
    }
};

std::vector<std::int32_t> all_drawn(const Rehearsal& rehearsal) {
    std::vector<std::int32_t> all;
    for (std::int64_t p = 0; p < rehearsal.positions(); ++p)
        all.insert(all.end(), rehearsal.drawn(p).begin(), rehearsal.drawn(p).end());
    return all;
}

/// Cross-entropy is linear in the label, so labels that are drawn from the earlier softmax have its gradient in the mean.
TEST(Rehearsal, LabelsAreDrawnFromTheEarlierSoftmax) {
    Told told;
    const Rehearsal rehearsal = told.rehearse(20000);
    std::map<std::vector<std::int32_t>, std::vector<double>> counts;  // by clicks before
    for (std::int64_t s = 0, p = 0; s < rehearsal.sequences(); ++s)
        for (std::size_t i = 0; i < rehearsal.of(s).size(); ++i, ++p) {
            const auto clicks = rehearsal.of(s).first(i + 1);
            auto& count = counts[{clicks.begin(), clicks.end()}];
            count.resize(kRehearsedItems);
            for (const std::int32_t item : rehearsal.drawn(p)) ++count[static_cast<std::size_t>(item)];
        }
    const TransformerWeights weights(told.earlier);
    int compared = 0;
    for (const auto& [clicks, count] : counts) {
        const double total = std::accumulate(count.begin(), count.end(), 0.0);
        if (total < 4000) continue;
        ++compared;
        at::Tensor logits =
            weights.encode({clicks}, {-1}).mm(weights.item_rows().t()) / kRehearsalTemperature;
        logits.select(1, 2).fill_(-1e30);  // item 2 is not known
        const at::Tensor softmax = at::softmax(logits, 1).contiguous();
        for (std::size_t i = 0; i < count.size(); ++i)
            EXPECT_NEAR(count[i] / total, softmax.data_ptr<float>()[i], 0.03) << clicks.size() << " " << i;
    }
    EXPECT_GE(compared, 3);
}

TEST(Rehearsal, BeginsWithWhatIsPopularAndNowAndThenWithTheRest) {
    Told told;
    const Rehearsal rehearsal = told.rehearse(4000);
    std::vector<std::int64_t> begun(kRehearsedItems);
    for (std::int64_t s = 0; s < rehearsal.sequences(); ++s)
        ++begun[static_cast<std::size_t>(rehearsal.of(s)[0])];
    EXPECT_GT(begun[0], 4 * begun[3]);
    EXPECT_GT(begun[1], 0);
    EXPECT_EQ(begun[2], 0);
}

TEST(Rehearsal, SequencesAreNoLongerThanTheNetworkReads) {
    Told told;
    const Rehearsal rehearsal = told.rehearse();
    EXPECT_GE(rehearsal.positions(), 400);
    for (std::int64_t s = 0; s < rehearsal.sequences(); ++s) {
        EXPECT_GE(rehearsal.of(s).size(), 1U);
        EXPECT_LE(rehearsal.of(s).size(), 4U);
    }
}

TEST(Rehearsal, IsTheSameWithMoreWorkers) {
    Told one, two("keep", 2);
    EXPECT_EQ(all_drawn(one.rehearse()), all_drawn(two.rehearse()));
}

TEST(Rehearsal, WithoutRepeatsNothingComesTwice) {
    Told told("first");
    const Rehearsal rehearsal = told.rehearse();
    for (std::int64_t s = 0, p = 0; s < rehearsal.sequences(); ++s)
        for (std::size_t i = 0; i < rehearsal.of(s).size(); ++i, ++p)
            for (const std::int32_t item : rehearsal.drawn(p))
                EXPECT_EQ(std::ranges::count(rehearsal.of(s).first(i + 1), item), 0);
}

TEST(Rehearsal, AddsItsShareToStepsWithAndWithoutOldLabels) {
    Told told;
    const Rehearsal rehearsal = told.rehearse();
    std::vector<Packed> shards(3);
    const std::vector<std::int32_t> clicks{0, 1, 3};
    for (Packed& shard : shards) shard.append(clicks, 5);
    shards[0].labels = {1, 3, 4};  // all of them
    shards[1].labels = {4};
    shards[1].trained = {2};
    Random random(1);
    rehearsal.extend(shards, random);  // the third has nothing to learn
    EXPECT_TRUE(shards[0].trained.empty());
    EXPECT_EQ(static_cast<std::int64_t>(shards[0].labels.size()), shards[0].tokens());
    EXPECT_GE(shards[0].labels.size(), 9U);
    EXPECT_EQ(shards[1].labels.size(), shards[1].trained.size());
    EXPECT_GE(shards[1].labels.size(), 3U);
    EXPECT_EQ(shards[1].trained[1], 3);  // the first click that was added
    EXPECT_EQ(shards[1].users.back(), -1);
    EXPECT_EQ(shards[2].tokens(), 3);
}

}  // namespace
}  // namespace seqrec::trainer
