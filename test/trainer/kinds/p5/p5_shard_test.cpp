// What one thread reads and computes of a step.
#include "kinds/p5/p5_shard.hpp"

#include "kinds/shared/gradients.hpp"
#include "people.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using Indexes = std::vector<std::int32_t>;

struct Fixture {
    testing::FeaturedShop shop{testing::people(12, 12, 8), testing::knowing_users()};
    P5Settings settings;
    std::shared_ptr<const UserFeatures> features = std::make_shared<const UserFeatures>(shop.data);
    Scribe scribe{features, 16};
    P5Network network;
    RowTable personal{0.5 * testing::leaf({12, 16}, 2).detach()};
    Sequences sequences{shop.data, Part::Training, nullptr};
    std::vector<float> share = std::vector<float>(12, 0.05f);

    explicit Fixture(nlohmann::json options = nlohmann::json::object())
        : settings(whole(std::move(options)), shop.data, nullptr) {
        Random random(1);
        network = P5Network(settings, 12, features->rows(), random);
        network.head = 0.1 * testing::leaf({16, 16}, 3).detach();
        network.item = testing::leaf({12, 16}, 4).detach();
    }

    static nlohmann::json whole(nlohmann::json options) {
        nlohmann::json all = {
            {"dropout", 0}, {"temperature", 0.5}, {"user_dropout", 0}, {"feature_dropout", 0}};
        all.update(options);
        return testing::p5_options(all);
    }

    P5Input input(Stage stage) const {
        return {network, personal, scribe, settings, sequences, share, stage, true};
    }
    Reading read(const Packed& shard, Stage stage, Indexes& own) const {
        return read_shard(input(stage), shard, own);
    }
    P5Output run(const Packed& shard, Stage stage, double label_weight = 1) const {
        Indexes own;
        Reading reading = read(shard, stage, own);
        return compute_p5_shard(input(stage), std::move(reading), own, label_weight);
    }
};

Packed pack(const std::vector<std::pair<std::int32_t, Indexes>>& histories, std::int32_t begin = 0) {
    Packed batch;
    for (const auto& [user, items] : histories) {
        batch.append(std::span(items).first(items.size() - 1), user, begin);
        batch.labels.insert(batch.labels.end(), items.begin() + 1, items.end());
    }
    batch.seed = 1;
    return batch;
}

TEST(P5Shard, APromptStandsBeforeTheClicks) {
    const Fixture fixture;
    Indexes own;
    const Reading tuned = fixture.read(pack({{3, {1, 2, 3}}, {0, {4, 5}}}), Stage::Tune, own);
    EXPECT_EQ(own, (Indexes{0, 3}));
    EXPECT_EQ(tuned.sequences.offsets, (std::vector<std::int64_t>{0, 6, 11})) << "start, gender, age, own";
    EXPECT_EQ(tuned.asked, (Indexes{3, 4, 5, 9, 10}));
    EXPECT_EQ(tuned.labels, (Indexes{1, 2, 3, 4, 5}));
    EXPECT_EQ(tuned.prompted, std::vector<float>(5, 1));
    const Reading later = fixture.read(pack({{3, {1, 2, 3}}}, 5), Stage::Tune, own);
    EXPECT_EQ(later.labels, (Indexes{2, 3})) << "what came before is not there to ask for";
}

TEST(P5Shard, PromptsAreLearnedFromBeginnings) {
    const Fixture fixture;
    const Indexes many(40, 5);
    Indexes own;
    const Reading reading = fixture.read(pack({{3, many}, {0, {4, 6}}}), Stage::Prompt, own);
    EXPECT_EQ(reading.sequences.offsets, (std::vector<std::int64_t>{0, 14, 19})) << "ten clicks, and one";
    EXPECT_EQ(std::ssize(reading.labels), (10 + 10) + (10 + 1)) << "the first item counts ten times";
    EXPECT_EQ(reading.labels.back(), 6) << "the labels of what was left out are passed over";
    EXPECT_EQ(fixture.read(pack({{3, {1, 2, 3}}}, 5), Stage::Prompt, own).tokens(), 0) << "no beginning";
}

TEST(P5Shard, PretrainingReadsClicksAlone) {
    const Fixture fixture(nlohmann::json{{"mask_share", 0}});
    Indexes own;
    const Reading reading = fixture.read(pack({{3, {1, 2, 3}}, {0, {4, 5}}}), Stage::Pretrain, own);
    EXPECT_TRUE(own.empty());
    EXPECT_EQ(reading.asked, (Indexes{0, 1, 2})) << "neither prompt nor start";
    EXPECT_EQ(reading.labels, (Indexes{2, 3, 5}));
    EXPECT_EQ(reading.prompted, (std::vector<float>{0, 0, 0}));
}

TEST(P5Shard, PretrainingHidesClicksAndAsksForThemAtTheEnd) {
    const Fixture fixture(nlohmann::json{{"mask_share", 1}});
    const std::vector<std::pair<std::int32_t, Indexes>> histories(6, {3, {1, 2, 3, 4, 5, 6, 7, 8}});
    Indexes own;
    const Reading reading = fixture.read(pack(histories), Stage::Pretrain, own);
    EXPECT_GT(reading.tokens(), 6 * 7) << "seven clicks each, and what was hidden";
    EXPECT_EQ(std::ssize(reading.labels), reading.tokens());
    const auto row = [&](std::int64_t token, std::size_t term) {
        return reading.terms
            .terms[static_cast<std::size_t>(reading.terms.offsets[static_cast<std::size_t>(token)]) + term];
    };
    for (std::size_t s = 0; s < histories.size(); ++s) {
        const std::int64_t begin = reading.sequences.offsets[s];
        for (std::int64_t t = begin + 7; t < reading.sequences.offsets[s + 1]; ++t) {
            EXPECT_EQ(row(t, 0).table, static_cast<int>(TokenTable::Special));
            const std::int32_t place = row(t, 1).row;
            EXPECT_EQ(reading.labels[static_cast<std::size_t>(t)], place + 1) << "the item that stood there";
            EXPECT_EQ(row(begin + place, 0).table, static_cast<int>(TokenTable::Special)) << "and is hidden";
        }
    }
}

TEST(P5Shard, PartsOfAStepAddUpToTheWhole) {
    const Fixture fixture;
    const P5Output whole = fixture.run(pack({{0, {0, 1, 2}}, {1, {3, 4}}, {0, {5, 6}}}), Stage::Tune, 0.25);
    const P5Output one = fixture.run(pack({{0, {0, 1, 2}}}), Stage::Tune, 0.25);
    const P5Output two = fixture.run(pack({{1, {3, 4}}, {0, {5, 6}}}), Stage::Tune, 0.25);
    EXPECT_NEAR(whole.loss, one.loss + two.loss, 1e-5);
    for (std::size_t i = 0; i < whole.dense.size(); ++i)
        EXPECT_LT(testing::relative_error(one.dense[i] + two.dense[i], whole.dense[i]), 1e-4) << i;
    const RowGradient personal = merge({one.personal, two.personal}, 16);
    EXPECT_EQ(personal.rows, (Indexes{0, 1}));
    EXPECT_LT(testing::relative_error(personal.values, whole.personal.values), 1e-4);
}

/// The loss where one number of a tensor is moved by `by`.
double moved(Fixture& fixture, Tensor tensor, std::int64_t at, double by) {
    float& number = tensor.data_ptr<float>()[at];
    const float before = number;
    number += static_cast<float>(by);
    const double loss = fixture.run(pack({{0, {0, 1, 2}}, {1, {3, 4}}}), Stage::Tune).loss;
    number = before;
    return loss;
}

TEST(P5Shard, GradientsAreThoseOfTheLoss) {
    Fixture fixture;
    const P5Output output = fixture.run(pack({{0, {0, 1, 2}}, {1, {3, 4}}}), Stage::Tune);
    const std::vector<Tensor> tensors = fixture.network.tensors();
    std::vector<std::pair<Tensor, Tensor>> all;
    for (std::size_t i = 0; i < tensors.size(); ++i) all.emplace_back(tensors[i], output.dense[i]);
    all.emplace_back(fixture.personal.weight(), output.personal.values);  // of users 0 and 1
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& [tensor, gradient] = all[i];
        const std::int64_t at = gradient.abs().flatten().argmax().item<std::int64_t>();
        const double numeric = (moved(fixture, tensor, at, 1e-2) - moved(fixture, tensor, at, -1e-2)) / 2e-2;
        const auto ours = static_cast<double>(gradient.data_ptr<float>()[at]);
        EXPECT_NEAR(ours, numeric, 0.03 * std::abs(numeric) + 2e-3) << "tensor " << i;
    }
}

TEST(P5Shard, WhatAStageFreezesHasNoGradient) {
    Fixture fixture;
    for (const Stage stage : {Stage::Pretrain, Stage::Prompt, Stage::Tune}) {
        const P5Output output = fixture.run(pack({{0, {0, 1, 2}}}), stage);
        std::size_t i = 0;
        fixture.network.for_each([&](const std::string& name, Tensor&) {
            EXPECT_EQ(output.dense[i++].defined(), P5Network::is_trained(name, stage)) << name;
        });
        EXPECT_EQ(output.personal.rows.empty(), stage == Stage::Pretrain);
    }
    EXPECT_FALSE(P5Network::is_trained("item.embedding", Stage::Prompt));
    EXPECT_FALSE(P5Network::is_trained("block.0.norm1.weight", Stage::Prompt));
    EXPECT_TRUE(P5Network::is_trained("feature.rows", Stage::Prompt));
}

/// What pretraining learned stays as it is, where nothing is known of who asks.
TEST(P5Shard, AHeadAnswersPromptsAlone) {
    Fixture fixture;
    const Tensor hidden = testing::leaf({2, 16}, 5).detach();
    const Tensor both = fixture.network.answer(hidden, {1, 0}), none = fixture.network.answer(hidden, {0, 0});
    EXPECT_TRUE(at::equal(both[1], none[1]));
    EXPECT_GT(testing::relative_error(both[0], none[0]), 1e-3);
}

TEST(P5Shard, ASampleOfEverythingIsTheWhole) {
    const Fixture all, drawn(nlohmann::json{{"sampled_items", 4000}});
    const Packed shard = pack({{0, {0, 1, 2}}, {1, {3, 4}}});
    const P5Output whole = all.run(shard, Stage::Tune), sampled = drawn.run(shard, Stage::Tune);
    EXPECT_NEAR(whole.loss, sampled.loss, 1e-4);
    EXPECT_FALSE(sampled.dense[0].defined());
    ASSERT_EQ(std::ssize(sampled.items.rows), 12);
    EXPECT_LT(testing::relative_error(sampled.items.values, whole.dense[0]), 1e-3);
}

TEST(P5Shard, DropoutLeavesOutTokens) {
    const Fixture fixture(nlohmann::json{{"user_dropout", 1}, {"feature_dropout", 1}});
    Indexes own;
    const Reading reading = fixture.read(pack({{3, {1, 2, 3}}}), Stage::Tune, own);
    EXPECT_TRUE(own.empty());
    EXPECT_EQ(reading.tokens(), 2) << "two clicks";
    EXPECT_EQ(reading.labels, (Indexes{2, 3}));
    EXPECT_EQ(fixture.read(pack({{3, {1, 2, 3}}}), Stage::Prompt, own).tokens(), 0) << "nothing to learn";
}

}  // namespace
}  // namespace seqrec::trainer
