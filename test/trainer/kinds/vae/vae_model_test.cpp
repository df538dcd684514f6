// The variational auto-encoder as the trainer's interface has it: what it learns, what it tells of it, where it begins and
// how it goes on.
#include "kinds/vae/vae_model.hpp"

#include <filesystem>
#include <optional>

#include "core/kinds/vae.hpp"
#include "files/model_file.hpp"
#include "interrupted.hpp"
#include "kinds/shared/gradients.hpp"
#include "kinds/vae/active_units.hpp"
#include "kinds/vae/vae_weights.hpp"
#include "measure/baselines.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"
#include "shop.hpp"
#include "snapshots.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;
using seqrec::testing::error_of;
using seqrec::testing::TempFolder;

json options(const json& given) {
    json options = {{"epochs", 1}, {"max_len", 10}, {"holdout", "keep"}, {"dim", 16},
                    {"layers", 1}, {"latent", 8},   {"threads", 1},      {"precision", "float32"}};
    options.update(given);
    return resolve_options("vae", options);
}

/// So small a learning rate that what comes out is what went in.
json still(json given = json::object()) {
    given.update({{"learning_rate", 1e-8}, {"weight_decay", 0}});
    return options(given);
}

struct Trial {
    Trained trained;
    std::vector<json> events;

    const VaeWeights& measured() const { return dynamic_cast<const VaeWeights&>(*trained.measured); }
    const VaeWeights& served() const { return dynamic_cast<const VaeWeights&>(*trained.served); }
    std::vector<json> all(const char* name) const {
        std::vector<json> found;
        for (const json& event : events)
            if (event.at("event") == name) found.push_back(event);
        return found;
    }
};

Trial train(const Dataset& data, const json& options, const EarlierModel* earlier = nullptr) {
    const json config = earlier ? json::parse(earlier->file.meta("config")) : json();
    const auto model = kVaeTrainer.make(options, data, config);
    if (earlier) model->start_from(*earlier);
    Workers workers(static_cast<int>(options.at("threads").get<std::int64_t>()));
    ::testing::internal::CaptureStdout();
    Trial trial;
    {
        Reporter reporter;
        trial.trained = model->train({data, workers, reporter, ""});
    }
    trial.events = testing::read_events(::testing::internal::GetCapturedStdout());
    return trial;
}

double hr10(const std::vector<std::int64_t>& ranks) { return ranking_metrics(ranks)["hr@10"]; }

/// Two walks through the items taken in turns: an item follows the one before the latest.
testing::Sequences braids(int users, std::int32_t items) {
    Random random(1);
    testing::Sequences sequences;
    const auto any = [&] {
        return static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(items)));
    };
    for (int u = 0; u < users; ++u) {
        std::vector<std::int32_t> sequence = {any(), any()};
        for (auto left = 4 + random.below(14); left > 0; --left)
            sequence.push_back(random.uniform() < 0.85 ? (sequence[sequence.size() - 2] + 1) % items : any());
        sequences.push_back(std::move(sequence));
    }
    return sequences;
}

TEST(VaeModel, LearnsAnOrderThatPopularityAndMarkovDoNotSee) {
    const testing::Shop shop(braids(400, 60), 60, testing::with_repeats("keep"));
    const auto& test = shop.data.questions(HeldOut::Test);
    const BaselineRanks baselines = rank_baselines(shop.data, test);
    const double floor = std::max(hr10(baselines.popularity), hr10(baselines.markov));
    for (const json& given : {json::object(), json{{"attention", false}},
                              json{{"loss", "mse"}, {"next_items", 2}}, json{{"sampled_items", 20}}}) {
        json wanted = {{"dim", 32}, {"latent", 32}, {"epochs", 60}, {"threads", 2}};
        wanted.update(given);
        const Trial trial = train(shop.data, options(wanted));
        Workers workers(1);
        const auto ranking = rank_held_out(shop.data, test, HeldOut::Test, *trial.trained.measured, {},
                                           workers, [](double) {});
        EXPECT_GT(hr10(ranking.ranks), 1.7 * floor) << given;
        EXPECT_GE(trial.trained.metrics.at("active_units"), 16) << given;
        EXPECT_TRUE(trial.all("warning").empty()) << given;
    }
}

TEST(VaeModel, EveryEpochTellsWhatTheLatentVariablesDo) {
    const testing::Shop shop(testing::walks(60, 12, 20), 12);
    const Trial trial = train(
        shop.data,
        options(
            {{"epochs", 100}, {"beta", 0.2}, {"anneal_share", 0.5}, {"patience", 1000}, {"cool_down", 0}}));
    const auto epochs = trial.all("epoch");
    ASSERT_GT(epochs.size(), 1U);
    for (const json& epoch : epochs)
        for (const char* name : {"reconstruction", "kl", "active_units", "beta"})
            EXPECT_TRUE(epoch.at(name).is_number()) << name;
    EXPECT_LT(epochs.front().at("beta"), epochs.back().at("beta"));
    EXPECT_EQ(epochs.back().at("beta"), 0.2);
    const json &metrics = trial.trained.metrics, &config = trial.trained.config;
    for (const char* name : {"kl", "active_units", "labels", "labels_per_s", "steps", "train_seconds",
                             "best_epoch", "epochs", "gflops"})
        EXPECT_TRUE(metrics.at(name).is_number()) << name;
    EXPECT_NEAR(metrics.at("kl").get<double>(),
                mean_divergence(trial.measured().network(), shop.data).sum().item<double>(), 1e-9);
    EXPECT_EQ(config.at("trained_epochs"), metrics.at("epochs"));
    EXPECT_EQ(config.at("beta"), 0.2);
}

TEST(VaeModel, FreeBitsKeepThemTelling) {
    const testing::Shop shop(testing::walks(60, 12, 20), 12);
    const json harsh = {{"epochs", 150},         {"beta", 10},       {"anneal_share", 0},
                        {"learning_rate", 0.05}, {"patience", 1000}, {"cool_down", 0}};
    const auto kl = [&](double free_bits) {
        json given = harsh;
        given["free_bits"] = free_bits;
        return train(shop.data, options(given)).all("epoch").back().at("kl").get<double>();
    };
    EXPECT_LT(kl(0), 0.2);
    EXPECT_GT(kl(0.3), 0.6);
}

/// All bytes of the weights that are served.
std::string bytes_of(const VaeWeights& weights) {
    std::string all;
    for (const auto& [name, tensor] : weights.tensors())
        all.append(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes());
    const Tensor rows = weights.item_rows();
    return all.append(static_cast<const char*>(rows.data_ptr()), rows.nbytes());
}

TEST(VaeModel, TheSameSeedGivesTheSameWeights) {
    const testing::Shop shop(testing::walks(60, 12, 20), 12);
    for (const int threads : {1, 3}) {
        const json given = options({{"epochs", 3}, {"threads", threads}, {"holdout", "refit"}});
        const std::string once = bytes_of(train(shop.data, given).served());
        EXPECT_TRUE(once == bytes_of(train(shop.data, given).served())) << threads;
        json other = given;
        other["seed"] = 9;
        EXPECT_FALSE(once == bytes_of(train(shop.data, other).served())) << threads;
    }
}

TEST(VaeModel, TheFinalFitChangesWhatIsServedAlone) {
    const testing::Shop shop(testing::walks(60, 12, 20), 12);
    const Trial kept = train(shop.data, options({{"epochs", 3}})),
                refit = train(shop.data, options({{"epochs", 3}, {"holdout", "refit"}}));
    EXPECT_TRUE(bytes_of(kept.served()) == bytes_of(kept.measured()));
    EXPECT_TRUE(bytes_of(refit.measured()) == bytes_of(kept.measured()));
    EXPECT_FALSE(bytes_of(refit.served()) == bytes_of(refit.measured()));
}

TEST(VaeModel, AnswersDoNotDependOnWhoIsAskedBeside) {
    const testing::Shop shop(testing::walks(60, 12, 20), 12);
    const Trial trial = train(shop.data, options({{"epochs", 2}}));
    const std::vector<std::int32_t> few = {1, 2}, many = {3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5}, none;
    const Tensor together = trial.served().encode({few, none, many}, {0, 1, -1});
    EXPECT_LT((together[0] - trial.served().encode({few}, {-1})[0]).abs().max().item<float>(), 1e-6);
    EXPECT_LT((together[2] - trial.served().encode({many}, {-1})[0]).abs().max().item<float>(), 1e-6);
    EXPECT_EQ(together[1].abs().max().item<float>(), 0);
}

/// A model of the items a to d and the users u to w, and a dataset that knows some of them and some others.
struct WarmStart {
    TempFolder folder;
    Trial before;
    std::optional<EarlierModel> earlier;

    /// `silent`: latent variables that tell nothing.
    explicit WarmStart(const testing::Names& names, bool silent = false) {
        const testing::Names first{{"a", "b", "c", "d"}, {"u", "v", "w"}};
        testing::write_dataset(folder / "first", {{0, 1, 2, 3, 0, 1}, {1, 2, 0, 3, 2}, {3, 1, 0, 2}}, 4, "",
                               first);
        const Dataset data(folder / "first", testing::with_repeats("keep"));
        before = train(data, still());
        Vae network = before.served().network();
        for (const Tensor& tensor :
             {network.mean_weight, network.mean_bias, network.variance_weight, network.variance_bias})
            if (silent) tensor.zero_();
        write_model(folder / "model", {kVae, before.trained.config, json::object()}, *before.trained.served,
                    data, nullptr);
        testing::write_snapshot(SafetensorsFile::open(folder / "model"), first, folder / "snapshot");
        const auto items = static_cast<std::int32_t>(names.items.size());
        testing::Sequences sequences(names.users.size());
        for (auto& sequence : sequences)
            for (std::int32_t i = 0; i < 3 * items; ++i) sequence.push_back(i % items);
        testing::write_dataset(folder / "second", sequences, items, "", names);
        earlier.emplace(folder / "snapshot", folder / "second");
    }
};

TEST(VaeModel, AWarmStartKeepsKnownRowsAndGivesFreshOnes) {
    const WarmStart warm({{"new", "c", "a"}, {"w", "other"}});
    const Trial after = train(Dataset(warm.folder / "second", testing::with_repeats("keep")),
                              still({{"seed", 2}}), &*warm.earlier);
    Vae old = warm.before.served().network(), now = after.served().network();
    const auto same = [](const Tensor& a, const Tensor& b) { return testing::relative_error(a, b) < 1e-3; };
    EXPECT_TRUE(same(now.encoder.item[1], old.encoder.item[2]));  // c
    EXPECT_TRUE(same(now.encoder.item[2], old.encoder.item[0]));  // a
    for (std::int64_t i = 0; i < 4; ++i) EXPECT_FALSE(same(now.encoder.item[0], old.encoder.item[i])) << i;
    EXPECT_GT(now.encoder.item[0].norm().item<float>(), 0.005);  // fresh, not zero
    const std::vector<Tensor> before = old.tensors(), then = now.tensors();
    for (std::size_t i = 1; i < before.size(); ++i)
        EXPECT_LT((before[i] - then[i]).abs().max().item<float>(), 1e-4) << i;
}

TEST(VaeModel, ACollapsedPosteriorIsWarnedOf) {
    const WarmStart warm({{"a", "b", "c"}, {"u", "v"}}, true);
    const Trial after =
        train(Dataset(warm.folder / "second", testing::with_repeats("keep")), still(), &*warm.earlier);
    EXPECT_EQ(after.trained.metrics.at("active_units"), 0);
    ASSERT_EQ(after.all("warning").size(), 1U);
    const std::string message = after.all("warning")[0].at("message");
    EXPECT_NE(message.find("only 0 of 8 latent variables tell anything"), std::string::npos) << message;
}

TEST(VaeModel, AnotherShapeIsRefused) {
    const WarmStart warm({{"a", "b"}, {"u"}});
    const Dataset data(warm.folder / "second", testing::with_repeats("keep"));
    for (const json& shape : {json{{"dim", 32}},
                              {{"heads", 2}},
                              {{"max_len", 20}},
                              {{"latent", 4}},
                              {{"layers", 2}},
                              {{"attention", false}}}) {
        std::string message;
        EXPECT_EQ(error_of([&] { train(data, still(shape), &*warm.earlier); }, &message), "22023") << shape;
        EXPECT_NE(message.find("taken from it"), std::string::npos) << message;
    }
}

/// The program, on a dataset that is there.
struct Program {
    TempFolder folder;
    std::string command = std::string(SEQREC_TRAINER) + " train " + (folder / "job");

    explicit Program(const json& given) {
        testing::write_dataset(folder / "dataset", testing::walks(300, 60, 30), 60);
        json options = {{"threads", 2}, {"dim", 32},        {"layers", 1},
                        {"epochs", 24}, {"patience", 1000}, {"index", "none"}};
        options.update(given);
        seqrec::testing::write_file(folder / "job", json{{"dataset", folder / "dataset"},
                                                         {"model", folder / "model"},
                                                         {"checkpoint", folder / "checkpoint"},
                                                         {"kind", "vae"},
                                                         {"options", options}}
                                                        .dump());
    }

    std::string weights() const { return testing::bytes_of_model(folder / "model"); }
    json metric(const char* name) const {
        return json::parse(SafetensorsFile::open(folder / "model").meta("metrics")).at(name);
    }
};

TEST(VaeModel, GoesOnAfterAKillAsIfNothingHadHappened) {
    for (const json& given : {json::object(), json{{"sampled_items", 20}}}) {
        const Program whole(given), interrupted(given);
        ASSERT_EQ(testing::run_command(whole.command).status, 0);
        ASSERT_TRUE(
            testing::kill_at_checkpoint(interrupted.folder / "job", interrupted.folder / "checkpoint.0"));
        ASSERT_FALSE(std::filesystem::exists(interrupted.folder / "model")) << "killed too late to tell";
        const auto resumed = testing::run_command(interrupted.command);
        ASSERT_EQ(resumed.status, 0);
        EXPECT_NE(resumed.last("warning").at("message").get<std::string>().find("interrupted"),
                  std::string::npos);
        EXPECT_TRUE(whole.weights() == interrupted.weights()) << given;
        for (const char* name : {"kl", "active_units", "ndcg@10"})
            EXPECT_EQ(whole.metric(name), interrupted.metric(name)) << name;
    }
}

}  // namespace
}  // namespace seqrec::trainer
