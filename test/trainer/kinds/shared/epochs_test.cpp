// The course of a training, with a learner that has one number and ranks as a test wants it.
#include "kinds/shared/epochs.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "few_weights.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::TempFolder;
using testing::FewWeights;

constexpr int kUsers = 80;  // of a window each, two in a step: as many steps as lie between validations
constexpr int kStepsOfEpoch = 40;
constexpr std::int64_t kItems = 12;

/// How many items stand before the one that is asked for, after so many epochs.
using Course = std::function<std::int64_t(std::int64_t epochs, bool cooled)>;

/// Its number grows by a drawn amount a step; how it ranks depends on how many steps lie behind it.
class FakeLearner final : public Learner {
  public:
    explicit FakeLearner(Course course) : course_(std::move(course)) {}

    void look_at(Part part) override { calls.push_back(part == Part::All ? "all" : "training"); }
    Effort effort(const std::vector<Question>&) const override { return {0, 1}; }
    Outcome gradients(const Lesson& lesson) override {
        if (stop_at > 0 && lesson.step == stop_at) throw std::runtime_error("killed");
        shares_done.push_back(lesson.share_done);
        drawn_ = lesson.random.uniform();
        return {loss, labels};
    }
    void apply(const kernels::AdamStep& step, std::int64_t) override {
        rates.push_back(step.learning_rate);
        number() += drawn_;
        ++steps();
    }
    void average(const kernels::AdamStep&, std::int64_t) override { candidate_ = state_.clone(); }
    std::unique_ptr<const Weights> candidate() const override {
        const auto before = course_(std::llround(candidate_[1].item<double>()) / kStepsOfEpoch, cooled);
        at::Tensor rows = at::zeros({kItems, 1});
        rows.narrow(0, 4, before).fill_(2);  // items 4 and on, which nobody has
        rows[2] = 1;
        return std::make_unique<const FewWeights>(rows, at::ones({kUsers, 1}));
    }
    void keep(bool better) override {
        if (better) best = candidate_;
        candidate_ = at::Tensor();
    }
    void start_from_best() override {
        calls.push_back("best");
        state_ = best.clone();
        cooled = true;
    }
    double refine(double ndcg, const Rank& rank) override {
        refined = rank(FewWeights(at::eye(kItems).narrow(1, 2, 1).contiguous(), at::ones({kUsers, 1})));
        return std::max(ndcg, refined);
    }
    void begin_refit(Random&) override { calls.push_back("refit"); }
    json numbers() override { return {{"kl", 0.5}}; }
    std::vector<NamedTensor> tensors() override { return {{"state", state_}}; }
    std::vector<NamedTensor> best_tensors() override { return {{"state", best}}; }

    double learned() const { return state_[0].item<double>(); }
    double best_epoch() const { return best[1].item<double>() / kStepsOfEpoch; }

    double loss = 1, refined = -1;
    std::int64_t labels = 2, stop_at = 0;
    bool cooled = false;
    std::vector<std::string> calls;
    std::vector<double> rates, shares_done;
    at::Tensor best;

  private:
    double& number() { return state_.data_ptr<double>()[0]; }
    double& steps() { return state_.data_ptr<double>()[1]; }

    Course course_;
    at::Tensor state_ = at::zeros({2}, at::kDouble), candidate_;
    double drawn_ = 0;
};

EpochSettings epoch_settings(std::int64_t epochs) {
    return {.epochs = epochs,
            .max_len = 10,
            .batch = 2,
            .patience = 2,
            .user_dropout = 0,
            .learning_rate = 1,
            .weight_decay = 0,
            .max_seconds = 1000,
            .cool_down = 0.5,
            .refit = true};
}

/// Everybody has items 0 to 3: the third is asked for in validation, the fourth in the test.
struct Trial {
    testing::Shop shop{testing::Sequences(kUsers, {0, 1, 2, 3}), kItems};
    Workers workers{1};
    std::vector<json> events{};

    /// Trains as `settings` say; an exception passes through.
    Totals train(FakeLearner& learner, const EpochSettings& settings, const std::string& checkpoint = "",
                 const Turn& turn = {}) {
        ::testing::internal::CaptureStdout();
        const auto told = [&] { events = testing::read_events(::testing::internal::GetCapturedStdout()); };
        try {
            Reporter reporter;
            const Run run{shop.data, workers, reporter, checkpoint};
            Epochs epochs(run, settings, learner, Random(1), turn);
            epochs.run();
            epochs.fit_all();
            told();
            return epochs.totals();
        } catch (...) {
            told();
            throw;
        }
    }
    json last(const std::string& name) const { return testing::Outcome{0, events}.last(name); }
};

std::int64_t better_each_time(std::int64_t epochs, bool) { return std::max<std::int64_t>(0, 8 - epochs); }

/// Best after four epochs at first, and ever better once it was cooled down.
std::int64_t stuck_after_four(std::int64_t epochs, bool cooled) {
    return cooled ? std::max<std::int64_t>(0, 8 - epochs) : 4 + std::abs(epochs - 4);
}

TEST(Epochs, CoolDownGoesBackToTheBestAndPlansTheEnd) {
    Trial trial;
    FakeLearner learner(stuck_after_four);
    EpochSettings told = epoch_settings(100);
    told.refit = false;
    const Totals totals = trial.train(learner, told);
    EXPECT_EQ(totals.epochs, 6 + 4) << "two without gain, then four epochs again as many as led to the best";
    EXPECT_EQ(learner.best_epoch(), 8) << "steps behind the best weights: four epochs and four more";
    EXPECT_EQ(learner.calls, (std::vector<std::string>{"training", "best"}));
    EXPECT_EQ(learner.rates[5 * kStepsOfEpoch], 1) << "full after the warm-up, until it cools down";
    EXPECT_LT(learner.rates.back(), 0.05);
    EXPECT_GT(learner.shares_done.back(), 0.95);
}

TEST(Epochs, WithoutACoolDownPatienceEndsIt) {
    Trial trial;
    FakeLearner learner(stuck_after_four);
    EpochSettings told = epoch_settings(100);
    told.cool_down = 0;
    const Totals totals = trial.train(learner, told);
    EXPECT_EQ(totals.epochs, 6);
    EXPECT_EQ(totals.best_epoch, 4);
}

TEST(Epochs, WithoutPatienceNothingIsCooledDown) {
    Trial trial;
    FakeLearner learner(stuck_after_four);
    EpochSettings told = epoch_settings(100);
    told.patience = 0;
    EXPECT_EQ(trial.train(learner, told).epochs, 7);
    EXPECT_EQ(learner.rates[7 * kStepsOfEpoch - 1], 1)
        << "the rate falls only towards an end that is in sight";
}

TEST(Epochs, WhenTheBestIsPast) {
    // Validated after each `interval` epochs of 40 steps, better by .01 each until `best`, then worse by `fall`: when is it over?
    const auto end = [](std::int64_t best, std::int64_t interval, double fall) {
        Standing now;
        while (!is_past_best(now, 0)) {
            now.epoch += interval;
            now.steps = 40 * now.epoch;
            const bool better = now.epoch <= best;
            const double ndcg =
                better ? 0.01 * static_cast<double>(now.epoch / interval) : now.lately.back() - fall;
            now.remember(ndcg);
            if (better) now.best_epoch = now.epoch;
            now.without_gain = better ? 0 : now.without_gain + 1;
        }
        return now.epoch;
    };
    EXPECT_EQ(end(4, 1, 0.1), 7) << "in the beginning one or two that are worse are no summit";
    EXPECT_EQ(end(13, 1, 0.05), 14);
    EXPECT_EQ(end(28, 2, 0.05), 30);
    EXPECT_EQ(end(40, 1, 0.012), 44);
    EXPECT_EQ(end(28, 2, 0.012), 32) << "a small dip after a rise may be chance";
    EXPECT_EQ(end(28, 2, 0.0001), 34) << "a plateau is no rise";
    EXPECT_FALSE(is_past_best({.epoch = 44, .best_epoch = 40, .without_gain = 4}, 5));
    EXPECT_TRUE(is_past_best({.epoch = 45, .best_epoch = 40, .without_gain = 5}, 5));
}

TEST(Epochs, ADipOnTheWayUpIsNoSummit) {
    // MovieLens-1M, one network without users' vectors: NDCG@10 after each second epoch.
    Standing now;
    for (const double ndcg : {0.150459, 0.179467, 0.191295, 0.196043, 0.198956, 0.200789, 0.204046, 0.204007,
                              0.204584, 0.206143, 0.207990, 0.207451, 0.207490, 0.208034, 0.208641}) {
        now.epoch += 2;
        now.steps += 312;
        now.remember(ndcg);
        const bool better = ndcg > now.best_ndcg;
        if (better) now.best_ndcg = ndcg, now.best_epoch = now.epoch;
        now.without_gain = better ? 0 : now.without_gain + 1;
        EXPECT_FALSE(is_past_best(now, 0)) << now.epoch;
    }
}

TEST(Epochs, AnEarlierBuildsStandingIsRead) {
    json old = Standing{.epoch = 7, .best_epoch = 5};
    old.erase("lately");
    EXPECT_EQ(old.get<Standing>().best_epoch, 5);
    EXPECT_TRUE(old.get<Standing>().lately.empty());
}

TEST(Epochs, AStandingIsReadWholeOrNotAtAll) {
    const json whole = Standing{.epoch = 7, .best_epoch = 5, .lately = {0.25, 0.5}, .random = ~0ULL};
    EXPECT_EQ(json(whole.get<Standing>()), whole);
    EXPECT_EQ(whole.size(), 19);
    for (const auto& [name, value] : whole.items()) {
        json without = whole, other = whole;
        without.erase(name);
        other[name] = "x";
        const auto read = [](const json& state) {
            return seqrec::testing::error_of([&] { (void)state.get<Standing>(); });
        };
        EXPECT_EQ(read(without), name == "lately" ? "" : sqlstate::kDataCorrupted) << name;
        EXPECT_EQ(read(other), sqlstate::kDataCorrupted) << name;
    }
}

TEST(Epochs, StopsWhenTimeIsOver) {
    Trial trial;
    FakeLearner learner(better_each_time);
    EpochSettings told = epoch_settings(1'000'000);
    told.max_seconds = 0.2;
    told.patience = 1'000'000;
    const Totals totals = trial.train(learner, told);
    EXPECT_LT(totals.epochs, 1'000'000);
    EXPECT_GT(learner.shares_done[static_cast<std::size_t>(totals.steps) / 2], 0.2) << "time counts";
    EXPECT_TRUE(learner.best.defined()) << "what there is has been validated";
}

TEST(Epochs, AnInterruptedTrainingEndsAsIfItHadNotBeen) {
    Trial trial;
    const TempFolder folder;
    FakeLearner whole(stuck_after_four), killed(stuck_after_four), resumed(stuck_after_four);
    const Totals expected = trial.train(whole, epoch_settings(100));
    killed.stop_at = kStepsOfEpoch * 3;
    EXPECT_THROW(trial.train(killed, epoch_settings(100), folder / "checkpoint"), std::runtime_error);
    ASSERT_TRUE(std::filesystem::exists(folder / "checkpoint.0"));
    const Totals totals = trial.train(resumed, epoch_settings(100), folder / "checkpoint");
    EXPECT_LT(resumed.rates.size(), whole.rates.size()) << "it has gone on";
    EXPECT_EQ(resumed.learned(), whole.learned());
    EXPECT_EQ(resumed.rates.back(), whole.rates.back());
    EXPECT_TRUE(at::equal(resumed.best, whole.best));
    EXPECT_EQ(totals.epochs, expected.epochs);
    EXPECT_EQ(totals.steps, expected.steps);
    EXPECT_EQ(seqrec::testing::error_of([&] {
                  EpochSettings other = epoch_settings(100);
                  other.options = {{"dim", 8}};
                  FakeLearner learner(stuck_after_four);
                  trial.train(learner, other, folder / "checkpoint");
              }),
              sqlstate::kInvalidParameter);
}

TEST(Epochs, FitsAllOnlyWhereSomethingIsHeldOutAndItIsWanted) {
    Trial trial;
    FakeLearner fitted(better_each_time);
    const Totals totals = trial.train(fitted, epoch_settings(8));
    EXPECT_EQ(fitted.calls, (std::vector<std::string>{"training", "all", "refit", "best"}));
    EXPECT_EQ(totals.epochs, 8);
    EXPECT_EQ(totals.final_fit_epochs, 1);
    EXPECT_EQ(fitted.shares_done.back(), 1);
    EXPECT_GT(fitted.best_epoch(), 8);
    FakeLearner kept(better_each_time);
    EpochSettings told = epoch_settings(8);
    told.refit = false;
    EXPECT_EQ(trial.train(kept, told).final_fit_epochs, 0);
    Trial open{.shop = {testing::Sequences(kUsers, {0, 1}), kItems}};
    FakeLearner all(better_each_time);
    EXPECT_EQ(open.train(all, epoch_settings(2)).final_fit_epochs, 0);
    EXPECT_EQ(all.calls, std::vector<std::string>{"training"});
    EXPECT_EQ(all.refined, -1) << "there is nothing to choose by";
}

TEST(Epochs, ALossThatIsNoNumberIsAnError) {
    Trial trial;
    FakeLearner learner(better_each_time);
    learner.loss = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(seqrec::testing::error_of([&] { trial.train(learner, epoch_settings(2)); }),
              sqlstate::kInternal);
    EXPECT_TRUE(learner.rates.empty()) << "and is not applied";
}

TEST(Epochs, StepsWithoutLabelsAreNotApplied) {
    Trial trial;
    FakeLearner learner(better_each_time);
    learner.labels = 0;
    EXPECT_EQ(trial.train(learner, epoch_settings(2)).steps, 0);
    EXPECT_TRUE(learner.rates.empty());
}

TEST(Epochs, TellsTheNumbersOfTheLearnerAndOfTheTurnsBefore) {
    Trial trial;
    FakeLearner first(better_each_time), second(better_each_time);
    const Turn turn{.number = 1, .of = 2, .before = trial.train(first, epoch_settings(3), "", {0, 2})};
    EXPECT_EQ(trial.last("epoch").at("epoch"), 3);
    EXPECT_LE(trial.last("progress").at("percent").get<double>(), 50);
    const Totals totals = trial.train(second, epoch_settings(2), "", turn);
    const json epoch = trial.last("epoch");
    EXPECT_EQ(epoch.at("epoch"), 5);
    EXPECT_EQ(epoch.at("kl"), 0.5);
    EXPECT_TRUE(epoch.at("metrics").contains("ndcg@10"));
    EXPECT_EQ(totals.epochs, 5);
    EXPECT_EQ(totals.best_epoch, 5);
    EXPECT_EQ(totals.final_fit_epochs, 2);
    EXPECT_EQ(totals.to_json().at("steps"), totals.steps);
    EXPECT_FALSE(totals.to_json().contains("gflops")) << "it counted none";
}

TEST(Epochs, TellsWhoseTheEpochIs) {
    Trial trial;
    FakeLearner alone(better_each_time), second(better_each_time);
    trial.train(alone, epoch_settings(2));
    for (const char* name : {"member", "members", "stage"})
        EXPECT_FALSE(trial.last("epoch").contains(name)) << name << " of a training of one network";
    trial.train(second, epoch_settings(2), "",
                {.number = 1, .of = 3, .member = 2, .members = 3, .stage = "student"});
    for (const json& event : trial.events) {
        EXPECT_EQ(event.at("member"), 2) << event.dump();
        EXPECT_EQ(event.at("members"), 3) << event.dump();
        EXPECT_EQ(event.at("stage"), "student") << event.dump();
    }
    EXPECT_TRUE(trial.last("epoch").is_object());
}

/// The epochs of what is kept have the same numbers.
TEST(Epochs, ATrialTellsOfItsProgressAlone) {
    Trial trial;
    FakeLearner learner(better_each_time);
    trial.train(learner, epoch_settings(2), "", {.of = 10, .shown = 0.1, .stage = "trial"});
    EXPECT_TRUE(trial.last("epoch").is_null());
    EXPECT_EQ(trial.last("progress").at("stage"), "trial");
}

TEST(Epochs, WhatIsRefinedCounts) {
    Trial trial;
    FakeLearner learner([](std::int64_t, bool) { return 8; });
    Reporter reporter;
    const trainer::Run run{trial.shop.data, trial.workers, reporter};
    ::testing::internal::CaptureStdout();
    Epochs epochs(run, epoch_settings(1), learner, Random(1));
    epochs.run();
    ::testing::internal::GetCapturedStdout();
    EXPECT_DOUBLE_EQ(learner.refined, 1) << "what is asked for stands first";
    EXPECT_EQ(epochs.best_ndcg(), learner.refined);
}

TEST(Epochs, AShardAThreadButNoneTooSmall) {
    EXPECT_EQ(shards_of(6400, 4), 4);
    EXPECT_EQ(shards_of(512, 4), 2);
    EXPECT_EQ(shards_of(100, 4), 1);
}

}  // namespace
}  // namespace seqrec::trainer
