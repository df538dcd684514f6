// What one thread computes of a step: gradients that add up, and samples that stand for the catalogue.
#include "kinds/transformer/shard.hpp"

#include <cmath>
#include <set>

#include "kinds/shared/gradients.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kShardItems = 12, kShardUsers = 3;

/// A small model whose user and item vectors are long enough to matter.
struct Fixture {
    testing::Shop shop{{{0, 1, 2}, {3, 4, 5}, {1, 0, 7}}, kShardItems};
    Settings settings;
    Transformer model;
    RowTable users{0.5 * testing::leaf({kShardUsers, 8}, 2).detach()};
    std::vector<float> share = std::vector<float>(kShardItems, 0);
    Content content{};

    explicit Fixture(double temperature = 0.5)
        : settings(testing::small_options({{"dropout", 0}, {"temperature", temperature}, {"max_len", 10}}),
                   shop.data, nullptr) {
        Random random(1);
        model = Transformer(settings, kShardItems, random);
        model.item = testing::leaf({kShardItems, 8}, 1).detach();
    }

    ShardOutput run(const Packed& batch, std::int64_t sampled = 0, double label_weight = 1) const {
        return compute_shard({model, users, settings, share, sampled, content}, batch, label_weight);
    }
};

/// Users and their clicks, each but the last with the next as its label.
Packed pack(const std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>>& histories,
            std::uint32_t seed = 1) {
    Packed batch;
    for (const auto& [user, items] : histories) {
        batch.append(std::span(items).first(items.size() - 1), user);
        batch.labels.insert(batch.labels.end(), items.begin() + 1, items.end());
    }
    batch.seed = seed;
    return batch;
}

TEST(Shard, PartsOfAStepAddUpToTheWhole) {
    const Fixture fixture;
    const ShardOutput whole = fixture.run(pack({{0, {0, 1, 2}}, {1, {3, 4}}, {0, {5, 6}}}), 0, 0.25);
    const ShardOutput one = fixture.run(pack({{0, {0, 1, 2}}}), 0, 0.25);
    const ShardOutput two = fixture.run(pack({{1, {3, 4}}, {0, {5, 6}}}), 0, 0.25);
    EXPECT_NEAR(whole.loss, one.loss + two.loss, 1e-6);
    ASSERT_EQ(whole.dense.size(), one.dense.size());
    for (std::size_t i = 0; i < whole.dense.size(); ++i)
        EXPECT_LT(testing::relative_error(one.dense[i] + two.dense[i], whole.dense[i]), 1e-5) << i;
    const RowGradient users = merge({one.users, two.users}, 8);
    EXPECT_EQ(users.rows, whole.users.rows);
    EXPECT_EQ(whole.users.rows, (std::vector<std::int32_t>{0, 1}));
    EXPECT_LT(testing::relative_error(users.values, whole.users.values), 1e-5);
}

TEST(Shard, LossOfKnownLogits) {
    Fixture fixture(1);
    fixture.model.item = at::zeros({kShardItems, 8});
    // all items point nowhere: the softmax is even
    EXPECT_NEAR(fixture.run(pack({{0, {0, 1}}})).loss, std::log(static_cast<double>(kShardItems)), 1e-6);
}

TEST(Shard, AUserWhoIsLeftOutHasNoGradient) {
    const Fixture fixture;
    const ShardOutput output = fixture.run(pack({{-1, {0, 1}}, {2, {3, 4}}}));
    EXPECT_EQ(output.users.rows, (std::vector<std::int32_t>{2}));
    const ShardOutput nobody = fixture.run(pack({{-1, {0, 1}}}));
    EXPECT_TRUE(nobody.users.rows.empty());
    EXPECT_EQ(nobody.users.values.size(0), 0);
}

TEST(Shard, TheGradientOfAUserIsASlope) {
    const Fixture fixture;
    const Packed batch = pack({{1, {3, 4, 0}}});
    const ShardOutput output = fixture.run(batch);
    for (std::int64_t d = 0; d < 8; ++d) {
        const auto loss = [&](float step) {
            Fixture shifted;
            shifted.users.weight().data_ptr<float>()[8 + d] += step;
            return shifted.run(batch).loss;
        };
        const double slope = (loss(1e-2f) - loss(-1e-2f)) / 2e-2;
        EXPECT_NEAR(output.users.values.data_ptr<float>()[d], slope, 2e-3) << d;
    }
}

/// Of positions without a label only what they hand on counts.
TEST(Shard, OnlyPositionsWithALabelAreTrained) {
    const Fixture fixture;
    Packed batch = pack({{0, {0, 1, 2, 3}}});
    const double all = fixture.run(batch).loss;
    double alone = 0;
    for (std::int32_t position = 0; position < 3; ++position) {
        Packed one = batch;
        one.trained = {position};
        one.labels = {batch.labels[static_cast<std::size_t>(position)]};
        alone += fixture.run(one).loss;
    }
    EXPECT_NEAR(alone, all, 1e-5);
}

TEST(Shard, ASampleTouchesItsCandidatesAndInputsAlone) {
    Fixture fixture;
    fixture.share.assign(kShardItems, 1.0f / kShardItems);
    std::set<std::vector<std::int32_t>> drawn;
    for (std::uint32_t seed = 1; seed < 30; ++seed) {
        const ShardOutput output = fixture.run(pack({{0, {9, 10, 11}}}, seed), 3);
        EXPECT_FALSE(output.dense[0].defined());  // the items' gradient comes by rows
        const auto& rows = output.items.rows;
        EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
        for (const std::int32_t needed : {9, 10, 11}) EXPECT_TRUE(std::ranges::binary_search(rows, needed));
        EXPECT_LE(rows.size(), 6U);  // 9 an input, 10 and 11 labels, and three draws
        EXPECT_EQ(output.items.values.size(0), static_cast<std::int64_t>(rows.size()));
        drawn.insert(rows);
    }
    EXPECT_GT(drawn.size(), 10U);
}

/// The mean over samples of the sum that the loss is made of is the sum over all items: 1 / probability
/// corrects for what a sample leaves out. The label counts once, however often it would be drawn.
TEST(Shard, ASampleEstimatesTheWholeSoftmax) {
    Fixture fixture(1);
    for (const std::int32_t label : {1, 8}) {
        fixture.share.assign(kShardItems, 0);
        fixture.share[static_cast<std::size_t>(label)] = 1;  // no other item is ever drawn as a label
        const std::vector<std::int32_t> history{3, label};
        const double whole = std::exp(fixture.run(pack({{0, history}})).loss);
        double total = 0;
        constexpr int kDraws = 1500;
        for (std::uint32_t seed = 1; seed <= kDraws; ++seed)
            total += std::exp(fixture.run(pack({{0, history}}, seed), 4).loss);
        EXPECT_NEAR(total / kDraws / whole, 1, 0.04) << label;
    }
}

TEST(Shard, ASampleOfEverythingIsNearlyTheWhole) {
    Fixture fixture;
    fixture.share.assign(kShardItems, 1.0f / kShardItems);
    const Packed batch = pack({{0, {0, 1, 2}}, {1, {3, 4}}});
    const ShardOutput whole = fixture.run(batch), sampled = fixture.run(batch, 2000);
    EXPECT_NEAR(sampled.loss, whole.loss, 1e-5);
    EXPECT_EQ(sampled.items.rows.size(), static_cast<std::size_t>(kShardItems));
    EXPECT_LT(testing::relative_error(sampled.items.values, whole.dense[0]), 1e-5);
    for (std::size_t i = 1; i < whole.dense.size(); ++i)
        EXPECT_LT(testing::relative_error(sampled.dense[i], whole.dense[i]), 1e-4) << i;
}

/// Content of every item; the last one has never been trained on.
void describe(Fixture& fixture, double id_dropout) {
    Random random(3);
    fixture.settings.id_dropout = id_dropout;
    fixture.model = Transformer(fixture.settings, kShardItems, random, 4);
    fixture.content.rows = testing::leaf({kShardItems, 4}, 5).detach();
    fixture.content.described.assign(kShardItems, 1);
    fixture.content.trained.assign(kShardItems, 1);
    fixture.content.trained.back() = 0;
}

double gradient_of_item(const ShardOutput& output, std::int64_t item) {
    return output.dense[0][item].abs().sum().item<double>();
}

TEST(Shard, ItemsNeverTrainedOnAreNoCandidates) {
    Fixture fixture;
    describe(fixture, 0);
    const ShardOutput output = fixture.run(pack({{0, {0, 1, 2}}}));
    EXPECT_EQ(gradient_of_item(output, kShardItems - 1), 0);
    EXPECT_GT(gradient_of_item(output, kShardItems - 2), 0);  // held against the choice
    EXPECT_GT(output.dense.back().abs().sum().item<double>(), 0);
}

TEST(Shard, ContentStandsAloneWhereIdsAreDropped) {
    Fixture fixture;
    describe(fixture, 1);
    const ShardOutput output = fixture.run(pack({{0, {0, 1, 2}}}));
    EXPECT_EQ(output.dense[0].abs().sum().item<double>(), 0);
    EXPECT_GT(output.dense.back().abs().sum().item<double>(), 0);  // the projection
}

TEST(Shard, ASampledStepReadsTheContentOfItsItems) {
    Fixture fixture;
    describe(fixture, 0);
    const ShardOutput output = fixture.run(pack({{0, {0, 1, 2}}}), 64);
    EXPECT_EQ(std::ranges::count(output.items.rows, kShardItems - 1), 0);
    EXPECT_GT(output.dense.back().abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace seqrec::trainer
