// The two towers as the trainer's interface has them: where they begin, how they go on, and rows of other items.
#include "kinds/two_tower/two_tower_model.hpp"

#include <filesystem>
#include <optional>

#include "core/kinds/two_tower.hpp"
#include "files/model_file.hpp"
#include "interrupted.hpp"
#include "kinds/shared/gradients.hpp"
#include "kinds/two_tower/tower_weights.hpp"
#include "shop.hpp"
#include "snapshots.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;
using seqrec::testing::error_of;
using seqrec::testing::TempFolder;

/// So small a learning rate that what comes out is what went in.
json still(json given = json::object()) {
    json options = {{"epochs", 1},       {"max_len", 10}, {"learning_rate", 1e-8}, {"holdout", "keep"},
                    {"weight_decay", 0}, {"dim", 16},     {"threads", 1},          {"precision", "float32"}};
    options.update(given);
    return resolve_options("two_tower", options);
}

struct Trial {
    Trained trained;
    const TowerWeights& served() const { return dynamic_cast<const TowerWeights&>(*trained.served); }
};

Trial train(const Dataset& data, const json& options, const EarlierModel* earlier = nullptr) {
    const json config = earlier ? json::parse(earlier->file.meta("config")) : json();
    const auto model = kTwoTowerTrainer.make(options, data, config);
    if (earlier) model->start_from(*earlier);
    Workers workers(1);
    ::testing::internal::CaptureStdout();
    Trial trial;
    {
        Reporter reporter;
        trial.trained = model->train({data, workers, reporter, ""});
    }
    ::testing::internal::GetCapturedStdout();
    return trial;
}

/// A model of the items a to d and the users u to w, and a dataset that knows some of them and some others.
struct WarmStart {
    TempFolder folder;
    Trial before;
    std::optional<EarlierModel> earlier;

    explicit WarmStart(const testing::Names& names) {
        const testing::Names first{{"a", "b", "c", "d"}, {"u", "v", "w"}};
        testing::write_dataset(folder / "first", {{0, 1, 2, 3, 0, 1}, {1, 2, 0, 3, 2}, {3, 1, 0, 2}}, 4, "",
                               first);
        const Dataset data(folder / "first", testing::with_repeats("keep"));
        before = train(data, still());
        write_model(folder / "model", {kTwoTower, before.trained.config, json::object()},
                    *before.trained.served, data, nullptr);
        testing::write_snapshot(SafetensorsFile::open(folder / "model"), first, folder / "snapshot");
        const auto items = static_cast<std::int32_t>(names.items.size());
        testing::Sequences sequences(names.users.size());
        for (auto& sequence : sequences)
            for (std::int32_t i = 0; i < 3 * items; ++i) sequence.push_back(i % items);
        testing::write_dataset(folder / "second", sequences, items, "", names);
        earlier.emplace(folder / "snapshot", folder / "second");
    }
};

TEST(TwoTowerModel, SaysHowItWasTrained) {
    const testing::Shop shop(testing::walks(30, 12, 10), 12);
    const Trial trial = train(shop.data, still({{"epochs", 3}}));
    const json& config = trial.trained.config;
    EXPECT_EQ(config.at("learning_rate"), 1e-8);
    EXPECT_EQ(config.at("hidden"), 64);
    EXPECT_EQ(config.at("id_dropout"), 0) << "there is nothing but ids";
    EXPECT_EQ(config.at("trained_epochs"), 3);
    EXPECT_EQ(config.at("columns"), json::array());
    for (const char* name : {"labels", "labels_per_s", "steps", "train_seconds", "best_epoch", "epochs"})
        EXPECT_TRUE(trial.trained.metrics.contains(name)) << name;
}

TEST(TwoTowerModel, AWarmStartKeepsKnownRowsAndGivesFreshOnes) {
    const WarmStart warm({{"new", "c", "a"}, {"w", "other"}});
    const Trial after = train(Dataset(warm.folder / "second", testing::with_repeats("keep")),
                              still({{"seed", 2}}), &*warm.earlier);
    const TowerPair &old = warm.before.served().pair(), &now = after.served().pair();
    const auto same = [](const Tensor& a, const Tensor& b) { return testing::relative_error(a, b) < 1e-3; };
    EXPECT_TRUE(same(now.residuals[1], old.residuals[2]));  // c
    EXPECT_TRUE(same(now.residuals[2], old.residuals[0]));  // a
    for (std::int64_t i = 0; i < 4; ++i) EXPECT_FALSE(same(now.residuals[0], old.residuals[i])) << i;
    EXPECT_GT(now.residuals[0].norm().item<float>(), 0.005);  // fresh, not zero
    EXPECT_TRUE(same(now.towers.attention_weight, old.towers.attention_weight));
    EXPECT_TRUE(same(now.towers.narrow_weight, old.towers.narrow_weight));
}

TEST(TwoTowerModel, AnotherShapeIsRefused) {
    const WarmStart warm({{"a", "b"}, {"u"}});
    const Dataset data(warm.folder / "second", testing::with_repeats("keep"));
    for (const json& shape : {json{{"dim", 32}}, {{"heads", 2}}, {{"max_len", 20}}, {{"hidden", 32}}}) {
        std::string message;
        EXPECT_EQ(error_of([&] { train(data, still(shape), &*warm.earlier); }, &message), "22023") << shape;
        EXPECT_NE(message.find("taken from it"), std::string::npos) << message;
    }
}

TEST(TwoTowerModel, ItsRowsCanBeMadeForOtherItems) {
    const WarmStart warm({{"a", "b"}, {"u"}});
    const SafetensorsFile file = SafetensorsFile::open(warm.folder / "model");
    const auto weights = kTwoTowerTrainer.refresh(file, {2, -1, 0}, {});
    const Tensor rows = weights->item_rows(), before = warm.before.served().item_rows();
    EXPECT_LT(testing::relative_error(rows[0], before[2]), 1e-5);
    EXPECT_LT(testing::relative_error(rows[2], before[0]), 1e-5);
    EXPECT_EQ(rows[1].abs().max().item<float>(), 0) << "nothing is known of it";
    EXPECT_EQ(weights->user_rows().size(0), 3);
    EXPECT_EQ(error_of([&] { (void)kTwoTowerTrainer.refresh(file, {0}, at::ones({1, 5})); }), "22023");
}

TEST(TwoTowerModel, RowsOfOtherItemsAreMadeOfTheirContent) {
    const testing::Shop shop(testing::walks(10, 6, 5), 6);
    const TowerSettings settings(still(), shop.data, nullptr);
    Random random(1);
    at::manual_seed(1);
    const Tensor content = at::rand({6, 9});
    TowerPair pair{Towers(settings, ContentRows(content), 0, random), at::randn({6, 16}) * 0.1};
    Workers workers(2);
    const auto features = std::make_shared<const UserFeatures>(shop.data);
    const TowerWeights weights(pair, item_rows_of(pair, ContentRows(content), workers), features);
    const TowerWeights other = weights.over({4, -1}, content.index_select(0, at::tensor({4L, 5L})));
    EXPECT_LT(testing::relative_error(other.item_rows()[0], weights.item_rows()[4]), 1e-5);
    const Towers& towers = pair.towers;
    const Tensor said =
        at::mv(towers.content_weight, content[5]) * towers.content_scale + towers.content_bias;
    EXPECT_LT(testing::relative_error(other.item_rows()[1], said / said.norm()), 1e-5);
}

TEST(TwoTowerModel, WhatStandsInForAResidualIsOfDescribedItemsThatNobodyHad) {
    const testing::Shop shop(testing::walks(10, 6, 5), 6);
    const TowerSettings settings(still(), shop.data, nullptr);
    Random random(1);
    at::manual_seed(1);
    Tensor content = at::rand({6, 9});
    content[5].zero_();
    const ContentRows known(content);
    const TowerPair pair{Towers(settings, known, 0, random), at::randn({6, 16})};
    const TowerPair moved = with_fresh_residuals(pair, known, {0, 1, 2, 3}, at::ones({16}), 0.5);
    EXPECT_TRUE(at::equal(moved.residuals.narrow(0, 0, 4), pair.residuals.narrow(0, 0, 4))) << "had";
    EXPECT_TRUE(at::equal(moved.residuals[4], moved.fresh));
    EXPECT_TRUE(at::equal(moved.residuals[5], pair.residuals[5])) << "nothing is known of it";
    EXPECT_GT(moved.fresh.min().item<float>(), 0);
    Workers workers(1);
    const TowerWeights weights(moved, item_rows_of(moved, known, workers),
                               std::make_shared<const UserFeatures>(shop.data));
    const TowerWeights other = weights.over({-1, -1}, content.narrow(0, 4, 2));
    EXPECT_LT(testing::relative_error(other.item_rows()[0], weights.item_rows()[4]), 1e-5) << "as new";
    EXPECT_EQ(other.item_rows()[1].abs().max().item<float>(), 0);
}

/// The program, on a dataset that is there.
struct Program {
    TempFolder folder;
    std::string command = std::string(SEQREC_TRAINER) + " train " + (folder / "job");

    Program() {
        testing::write_dataset(folder / "dataset", testing::walks(300, 60, 30), 60);
        const json options = {
            {"threads", 2}, {"dim", 32}, {"epochs", 48}, {"patience", 1000}, {"index", "none"}};
        seqrec::testing::write_file(folder / "job", json{{"dataset", folder / "dataset"},
                                                         {"model", folder / "model"},
                                                         {"checkpoint", folder / "checkpoint"},
                                                         {"kind", "two_tower"},
                                                         {"options", options}}
                                                        .dump());
    }

    void run_until_checkpoint() const {
        ASSERT_TRUE(testing::kill_at_checkpoint(folder / "job", folder / "checkpoint.0"));
    }

    std::string weights() const { return testing::bytes_of_model(folder / "model"); }
};

TEST(TwoTowerModel, GoesOnAfterAKillAsIfNothingHadHappened) {
    const Program whole, interrupted;
    ASSERT_EQ(testing::run_command(whole.command).status, 0);
    interrupted.run_until_checkpoint();
    ASSERT_FALSE(std::filesystem::exists(interrupted.folder / "model")) << "killed too late to tell";
    const auto resumed = testing::run_command(interrupted.command);
    ASSERT_EQ(resumed.status, 0);
    EXPECT_NE(resumed.last("warning").at("message").get<std::string>().find("interrupted"),
              std::string::npos);
    EXPECT_TRUE(whole.weights() == interrupted.weights());
}

}  // namespace
}  // namespace seqrec::trainer
