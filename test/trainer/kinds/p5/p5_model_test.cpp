// Kind p5 as the trainer's interface has it: stages, where it begins, how it goes on, and whom it knows.
#include "kinds/p5/p5_model.hpp"

#include <filesystem>
#include <optional>

#include "core/kinds/p5.hpp"
#include "files/model_file.hpp"
#include "interrupted.hpp"
#include "kinds/p5/p5_learner.hpp"
#include "kinds/shared/gradients.hpp"
#include "people.hpp"
#include "snapshots.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;
using seqrec::testing::error_of;
using seqrec::testing::TempFolder;
using testing::p5_options;
using testing::people;
using testing::train_p5;

const P5Weights& served(const testing::P5Trial& trial) {
    return dynamic_cast<const P5Weights&>(*trial.trained.served);
}

/// A trained model in a file, and its encoder.
struct Written {
    TempFolder folder;
    testing::FeaturedShop shop{people(60, 12, 8), testing::knowing_users()};
    testing::P5Trial trial;
    std::optional<SafetensorsFile> file;
    std::optional<P5Encoder> encoder;

    explicit Written(const json& options = json::object()) : trial(train_p5(shop.data, p5_options(options))) {
        write_model(folder / "model", {kP5, trial.trained.config, trial.trained.metrics},
                    *trial.trained.served, shop.data, nullptr);
        file.emplace(SafetensorsFile::open(folder / "model"));
        encoder.emplace(*file);
    }
    std::pair<std::vector<float>, Encoded> ask(const std::vector<std::int32_t>& clicks, std::int32_t user,
                                               const json* context = nullptr) const {
        std::vector<float> query(16);
        const Encoded encoded = encoder->encode({clicks, user, context}, query, Precision::Exact);
        return {query, encoded};
    }
};

double distance(const std::vector<float>& query, const Tensor& row) {
    double most = 0;
    for (std::size_t d = 0; d < query.size(); ++d)
        most =
            std::max(most, static_cast<double>(std::abs(query[d] - row.contiguous().data_ptr<float>()[d])));
    return most;
}

TEST(P5Model, ItsEncoderReadsPromptsAsItsTrainerDoes) {
    const Written written;
    const P5Weights weights(*written.file);
    const std::vector<std::int32_t> none, some = {1, 3, 5}, many = {0, 2, 4, 6, 8, 10, 0, 2, 4, 6, 8, 2, 4};
    for (const auto* clicks : {&none, &some, &many})
        for (std::int32_t user = -1; user < 20; ++user) {
            const auto [query, encoded] = written.ask(*clicks, user);
            EXPECT_LT(distance(query, weights.encode({*clicks}, {user})[0]), 1e-4) << user;
            EXPECT_EQ(encoded.known, user >= 0 || !clicks->empty());
        }
    for (std::int64_t i = 0; i < 12; ++i)
        EXPECT_LT(testing::relative_error(weights.item_rows()[i], served(written.trial).item_rows()[i]),
                  1e-4);
}

TEST(P5Model, AContextIsAPromptOfWhoWasNotThere) {
    const Written written;
    const std::int32_t idle = 9;  // features, and nothing done: no token of her own
    const json man = {{"gender", "m"}, {"age", 29}};
    const auto [known, of_known] = written.ask({1, 3}, idle);
    const auto [told, of_told] = written.ask({1, 3}, -1, &man);
    for (std::size_t d = 0; d < known.size(); ++d) EXPECT_NEAR(known[d], told[d], 1e-5);
    EXPECT_NEAR(of_known.offset, of_told.offset, 1e-5);
    EXPECT_TRUE(written.ask({}, -1, &man).second.known);
    EXPECT_FALSE(written.ask({}, -1).second.known);
    EXPECT_EQ(written.encoder->unknown_context({{"gender", "x"}, {"mood", "good"}}),
              (std::vector<std::string>{"gender", "mood"}));
}

TEST(P5Model, OnlyWhoWasTrainedHasATokenOfHerOwn) {
    const testing::FeaturedShop shop(people(60, 12, 8), testing::knowing_users());
    const testing::P5Trial trial =
        train_p5(shop.data, p5_options({{"stages", {"pretrain", "prompt"}}, {"holdout", "keep"}}));
    const Tensor personal = served(trial).user_rows();
    if (!trial.trained.metrics.at("personal_tokens").get<bool>()) GTEST_SKIP() << "they did not pay here";
    EXPECT_GT(personal.abs().max().item<float>(), 0);
    EXPECT_EQ(personal[9].abs().max().item<float>(), 0);
}

/// What a stage alone does to weights.
P5State after(const testing::FeaturedShop& shop, const P5Settings& settings, Stage stage,
              const P5State& start) {
    const auto features = std::make_shared<const UserFeatures>(shop.data);
    Workers workers(1);
    P5Learner learner(shop.data, settings, stage, features, start, workers);
    Reporter reporter;
    const Run run{shop.data, workers, reporter};
    ::testing::internal::CaptureStdout();
    Epochs epochs(run, settings.course(stage), learner, Random(1));
    epochs.run();
    ::testing::internal::GetCapturedStdout();
    return learner.best();
}

TEST(P5Model, AFrozenStageLeavesTheBlocksAsTheyWere) {
    const testing::FeaturedShop shop(people(60, 12, 8), testing::knowing_users());
    const P5Settings settings(p5_options(), shop.data, nullptr);
    Random random(1);
    P5State start{P5Network(settings, 12, UserFeatures(shop.data).rows(), random), at::zeros({60, 16})};
    P5State before = copy_of(start);
    for (const Stage stage : {Stage::Prompt, Stage::Tune}) {
        P5State now = after(shop, settings, stage, start);
        std::vector<Tensor> old = before.network.tensors(), untouched = start.network.tensors();
        std::size_t i = 0;
        now.network.for_each([&](const std::string& name, Tensor& tensor) {
            EXPECT_TRUE(at::equal(old[i], untouched[i])) << name << " belongs to the stage before";
            EXPECT_EQ(at::equal(old[i], tensor), !P5Network::is_trained(name, stage)) << name;
            ++i;
        });
    }
}

TEST(P5Model, StagesAreTimedAndToldApart) {
    const testing::FeaturedShop shop(people(40, 12, 8), testing::knowing_users());
    const testing::P5Trial trial = train_p5(shop.data, p5_options());
    const json& seconds = trial.trained.metrics.at("stage_seconds");
    for (const char* stage : {"pretrain", "prompt", "tune"}) {
        EXPECT_GT(seconds.at(stage).get<double>(), 0);
        EXPECT_NE(trial.said.find("\"stage\":\"" + std::string(stage) + "\""), std::string::npos);
    }
    EXPECT_EQ(trial.trained.config.at("stages"), (json{"pretrain", "prompt", "tune"}));
    EXPECT_EQ(trial.trained.metrics.at("epochs"), 6) << "two a stage";
    const testing::P5Trial alone = train_p5(shop.data, p5_options({{"stages", {"tune"}}}));
    EXPECT_EQ(alone.trained.metrics.at("stage_seconds").size(), 1U);
}

TEST(P5Model, PretrainingAloneKnowsNoUsers) {
    const json alone = {{"stages", {"pretrain"}}};
    const Written written(alone);
    EXPECT_EQ(written.trial.trained.config.at("columns"), json::array());
    const json man = {{"gender", "m"}};
    EXPECT_FALSE(written.ask({}, 0, &man).second.known);
    EXPECT_TRUE(written.ask({1}, 0).second.known);
}

TEST(P5Model, StagesThatMakeNoSenseAreRefused) {
    for (const json& stages : {json("tune"), json::array(), json{"tune", "prompt"}, json{"tune", "tune"},
                               json{"finetune"}, json{1}}) {
        std::string message;
        EXPECT_EQ(error_of([&] { (void)p5_options({{"stages", stages}}); }, &message), "22023") << stages;
        EXPECT_NE(message.find("stages"), std::string::npos) << message;
    }
    const testing::FeaturedShop shop(people(20, 12, 8), testing::knowing_users());
    std::string message;
    EXPECT_EQ(error_of(
                  [&] {
                      train_p5(shop.data, p5_options({{"stages", {"prompt", "tune"}}}));
                  },
                  &message),
              "22023");
    EXPECT_NE(message.find("nothing is pretrained"), std::string::npos) << message;
}

TEST(P5Model, SettingsFollowTheData) {
    const testing::FeaturedShop shop(people(20, 12, 8), testing::knowing_users());
    const P5Settings settings(resolve_options("p5", {{"threads", 1}}), shop.data, nullptr);
    EXPECT_EQ(settings.layers, 2);
    EXPECT_EQ(settings.sampled_items, 0);
    EXPECT_EQ(settings.stages.size(), 3U);
    const double rate = settings.course(Stage::Pretrain).learning_rate;
    EXPECT_NEAR(settings.course(Stage::Tune).learning_rate, rate / 10, 1e-12);
    const P5Settings alone(resolve_options("p5", {{"threads", 1}, {"stages", {"tune"}}}), shop.data, nullptr);
    EXPECT_EQ(alone.course(Stage::Tune).learning_rate, rate) << "there is nothing to lose";
    EXPECT_EQ(error_of([] { (void)resolve_options("p5", {{"dim", 20}}); }), "22023");
}

TEST(P5Model, AWarmStartGoesOnFromWhatIsKnown) {
    const testing::Names first{{"a", "b", "c", "d"}, {"u", "v", "w"}};
    TempFolder folder;
    testing::write_dataset(folder / "first", {{0, 1, 2, 3, 0, 1}, {1, 2, 0, 3, 2}, {3, 1, 0, 2}}, 4, "",
                           first);
    const json still = {{"learning_rate", 1e-8}, {"epochs", 1}, {"weight_decay", 0}, {"holdout", "keep"}};
    const Dataset data(folder / "first", testing::knowing_users());
    const testing::P5Trial before = train_p5(data, p5_options(still));
    write_model(folder / "model", {kP5, before.trained.config, json::object()}, *before.trained.served, data,
                nullptr);
    testing::write_snapshot(SafetensorsFile::open(folder / "model"), first, folder / "snapshot");
    testing::write_dataset(folder / "second", {{0, 1, 2, 0, 1, 2, 1}, {2, 1, 0, 2, 1, 0}}, 3, "",
                           {{"new", "c", "a"}, {"w", "other"}});
    const EarlierModel earlier(folder / "snapshot", folder / "second");
    const Dataset grown(folder / "second", testing::knowing_users());
    json next = still;
    next["stages"] = {"prompt"};
    next["seed"] = 2;
    const testing::P5Trial after = train_p5(grown, p5_options(next), &earlier);
    const auto same = [](const Tensor& a, const Tensor& b) { return testing::relative_error(a, b) < 1e-3; };
    const P5Network &old = served(before).state().network, &now = served(after).state().network;
    EXPECT_TRUE(same(now.item[1], old.item[2]));
    EXPECT_TRUE(same(now.item[2], old.item[0]));
    for (std::int64_t i = 0; i < 4; ++i) EXPECT_FALSE(same(now.item[0], old.item[i])) << i;
    EXPECT_TRUE(same(now.blocks[0].qkv_weight, old.blocks[0].qkv_weight));
    next["dim"] = 32;
    EXPECT_EQ(error_of([&] { train_p5(grown, p5_options(next), &earlier); }), "22023");
}

TEST(P5Model, RepeatsItselfToTheBit) {
    const testing::FeaturedShop shop(people(40, 12, 8), testing::knowing_users());
    const testing::P5Trial one = train_p5(shop.data, p5_options()), two = train_p5(shop.data, p5_options());
    EXPECT_TRUE(at::equal(served(one).item_rows(), served(two).item_rows()));
    EXPECT_TRUE(at::equal(served(one).user_rows(), served(two).user_rows()));
}

/// The program, on a dataset that is there.
struct Program {
    TempFolder folder;
    std::string command = std::string(SEQREC_TRAINER) + " train " + (folder / "job");

    Program() {
        people(300, 60, 30).write(folder / "dataset");
        const json options = {{"threads", 2},     {"dim", 32},       {"epochs", 16},
                              {"patience", 1000}, {"index", "none"}, {"max_seconds", 100000}};
        seqrec::testing::write_file(folder / "job", json{{"dataset", folder / "dataset"},
                                                         {"model", folder / "model"},
                                                         {"checkpoint", folder / "checkpoint"},
                                                         {"kind", "p5"},
                                                         {"options", options}}
                                                        .dump());
    }
    std::string weights() const { return testing::bytes_of_model(folder / "model"); }
};

TEST(P5Model, GoesOnAfterAKillAsIfNothingHadHappened) {
    const Program whole, interrupted;
    ASSERT_EQ(testing::run_command(whole.command).status, 0);
    for (const char* stage : {".0", ".2"}) {  // once while it pretrains, once while it tunes
        ASSERT_TRUE(testing::kill_at_checkpoint(interrupted.folder / "job",
                                                interrupted.folder / "checkpoint" + stage));
        ASSERT_FALSE(std::filesystem::exists(interrupted.folder / "model")) << "killed too late to tell";
    }
    const auto resumed = testing::run_command(interrupted.command);
    ASSERT_EQ(resumed.status, 0);
    EXPECT_TRUE(whole.weights() == interrupted.weights());
}

}  // namespace
}  // namespace seqrec::trainer
