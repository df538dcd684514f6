// The kind as the trainer's interface has it: what it measures, serves and says, and that it goes on after a kill.
#include "kinds/logistic/logistic_model.hpp"

#include "interrupted.hpp"
#include "kinds/logistic/logistic_weights.hpp"
#include "rich_design.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::error_of;
using testing::FeaturedData;
using testing::FeaturedShop;
using testing::split_by;

struct Trial {
    Trained trained;
    std::string output;
};

Trial train(const Dataset& data, const json& options) {
    const auto model = kLogisticTrainer.make(testing::logistic_options(options), data, nullptr);
    Workers workers(2);
    ::testing::internal::CaptureStdout();
    Trial trial;
    try {
        Reporter reporter;
        trial.trained = model->train({data, workers, reporter, ""});
    } catch (...) {
        ::testing::internal::GetCapturedStdout();
        throw;
    }
    trial.output = ::testing::internal::GetCapturedStdout();
    return trial;
}

/// Users of two kinds and items of two kinds; a pair of the same kind is liked nine times in ten, others one in ten.
FeaturedData tastes(bool labels, int users = 300) {
    Random random(3);
    FeaturedData data{{}, 40};
    data.item = {{"style", "category", {}, {}}};
    data.user = {{"taste", "category", {}, {}}};
    for (int i = 0; i < 40; ++i) data.item[0].values.push_back({i % 2 == 0 ? "plain" : "fancy"});
    for (int u = 0; u < users; ++u) {
        data.user[0].values.push_back({u % 2 == 0 ? "plain" : "fancy"});
        data.sequences.emplace_back();
        for (int n = 0; n < 20; ++n) {
            auto item = static_cast<std::int32_t>(random.below(40));
            const bool likes = random.below(10) < (item % 2 == u % 2 ? 9 : 1);
            if (labels) data.labels.push_back(likes ? 1 : 0);
            if (!labels && !likes) item ^= 1;  // what is chosen is liked
            data.sequences.back().push_back(item);
        }
    }
    return data;
}

TEST(LogisticModel, MeasuresItsProbabilities) {
    const FeaturedShop shop(tastes(true), split_by(Split::Random));
    const Trial trial = train(shop.data, {});
    const json& metrics = trial.trained.metrics;
    EXPECT_NEAR(metrics.at("auc"), 0.9, 0.04);
    EXPECT_NEAR(metrics.at("accuracy"), 0.9, 0.04);
    EXPECT_NEAR(metrics.at("log_loss"), 0.325, 0.06) << "0.325 is the entropy";
    EXPECT_LT(metrics.at("ece"), 0.06);
    EXPECT_GT(metrics.at("pairs_evaluated"), 500);
    for (const char* name : {"precision", "recall", "f1", "brier", "threshold", "loss", "train_seconds",
                             "labels_per_s", "coefficients", "passes", "pairs", "epochs"})
        EXPECT_TRUE(metrics.at(name).is_number()) << name;
    EXPECT_TRUE(metrics.at("reliability").is_array());
    const json& config = trial.trained.config;
    EXPECT_EQ(config.at("labelled"), true);
    EXPECT_EQ(config.at("threshold"), metrics.at("threshold"));
    EXPECT_NEAR(config.at("calibration_slope"), 1, 0.3);
    for (const char* name : {"columns", "clicks", "block", "ids", "calibration_shift"})
        EXPECT_TRUE(config.contains(name)) << name;
}

/// Every split, with labels and without, ids or none.
TEST(LogisticModel, TrainsOnWhateverThereIs) {
    for (const bool labels : {true, false})
        for (const Split split : {Split::LeaveOneOut, Split::Time, Split::Random})
            for (const bool ids : {true, false}) {
                const FeaturedShop shop(tastes(labels, 60), split_by(split));
                const Trial trial = train(shop.data, {{"ids", ids}});
                EXPECT_GT(trial.trained.metrics.at("auc"), labels ? 0.8 : 0.64)  // 0.9 and 0.7 at best
                    << labels << static_cast<int>(split) << ids;
                EXPECT_EQ(trial.trained.config.at("labelled"), labels);
            }
    const FeaturedShop rich(testing::rich_data(), split_by(Split::Random));
    EXPECT_EQ(error_of([&] { train(rich.data, {}); }), "");
}

bool same(const Weights& a, const Weights& b) {
    return at::equal(a.item_rows(), b.item_rows()) && at::equal(a.user_rows(), b.user_rows());
}

TEST(LogisticModel, ServesWhatHasSeenAllUnlessHeldOutIsKept) {
    const FeaturedShop shop(tastes(true, 60), split_by(Split::LeaveOneOut));
    const Trial refit = train(shop.data, {}), keep = train(shop.data, {{"holdout", "keep"}});
    EXPECT_TRUE(same(*refit.trained.measured, *keep.trained.measured));
    EXPECT_FALSE(same(*refit.trained.served, *keep.trained.served));
    for (const char* name : {"auc", "log_loss", "threshold"})
        EXPECT_EQ(refit.trained.metrics.at(name), keep.trained.metrics.at(name)) << name;
}

TEST(LogisticModel, WithoutCalibrationTheLogitsStand) {
    const FeaturedShop shop(tastes(true, 60), split_by(Split::Random));
    const Trial trial = train(shop.data, {{"calibration", "none"}});
    EXPECT_EQ(trial.trained.config.at("calibration_slope"), 1);
    EXPECT_EQ(trial.trained.config.at("calibration_shift"), 0);
}

TEST(LogisticModel, WithoutHeldOutPairsMetricsAreNull) {
    FeaturedData data{{{0, 1}, {1, 2}, {2, 0}}, 3};
    const FeaturedShop shop(data, split_by(Split::LeaveOneOut));
    const Trial trial = train(shop.data, {});
    EXPECT_TRUE(trial.trained.metrics.at("auc").is_null());
    EXPECT_EQ(trial.trained.metrics.at("pairs_evaluated"), 0);
    EXPECT_NE(trial.output.find("no pair was held out"), std::string::npos) << trial.output;
}

TEST(LogisticModel, SaysWhatOfTheColumnsItLeftOut) {
    FeaturedData data = tastes(true, 20);
    data.user[0].values.assign(20, {"all"});
    const FeaturedShop shop(data, split_by(Split::Random));
    EXPECT_NE(train(shop.data, {}).output.find("\\\"taste\\\" is the same everywhere"), std::string::npos);
}

TEST(LogisticModel, LabelsWithoutABoundAreRefused) {
    FeaturedData data = tastes(true, 20);
    data.labels[3] = 5;
    const FeaturedShop shop(data, split_by(Split::Random));
    EXPECT_EQ(error_of([&] { train(shop.data, {}); }), "22023");
    EXPECT_EQ(error_of([&] { train(shop.data, {{"positive_from", 1}, {"label", "stars"}}); }), "");
}

/// The program, on a dataset that is there.
struct Program {
    seqrec::testing::TempFolder folder;
    std::string command = std::string(SEQREC_TRAINER) + " train " + (folder / "job");

    explicit Program(const FeaturedData& data) {
        data.write(folder / "dataset");
        seqrec::testing::write_file(
            folder / "job", json{{"dataset", folder / "dataset"},
                                 {"model", folder / "model"},
                                 {"checkpoint", folder / "checkpoint"},
                                 {"kind", "logistic"},
                                 {"options", {{"threads", 2}, {"split", "random"}, {"index", "none"}}}}
                                .dump());
    }

    /// Runs it until its first checkpoint is there.
    void run_until_checkpoint() const {
        ASSERT_TRUE(testing::kill_at_checkpoint(folder / "job", folder / "checkpoint"));
    }

    std::string weights() const { return testing::bytes_of_model(folder / "model"); }
};

TEST(LogisticModel, GoesOnAfterAKillAsIfNothingHadHappened) {
    const FeaturedData data = tastes(false, 1500);
    const Program whole(data), interrupted(data);
    ASSERT_EQ(testing::run_command(whole.command).status, 0);
    interrupted.run_until_checkpoint();
    const json state = json::parse(SafetensorsFile::open(interrupted.folder / "checkpoint").meta("state"));
    ASSERT_LT(state.at("round"), 8) << "killed too late to tell";
    ASSERT_FALSE(std::filesystem::exists(interrupted.folder / "model"));
    const auto resumed = testing::run_command(interrupted.command);
    ASSERT_EQ(resumed.status, 0);
    EXPECT_NE(resumed.last("warning").at("message").get<std::string>().find("interrupted"),
              std::string::npos);
    EXPECT_TRUE(whole.weights() == interrupted.weights());
}

/// From the file, as seqrec_coefficients reads them.
TEST(LogisticModel, ItsFileHasTheTableOfCoefficients) {
    const Program program(tastes(true, 100));
    const auto outcome = testing::run_command(program.command);
    ASSERT_EQ(outcome.status, 0) << outcome.last("error").dump();
    const SafetensorsFile file = SafetensorsFile::open(program.folder / "model");
    const auto weights = file.get<float>("coefficient.weight", {-1});
    const auto count = static_cast<std::int64_t>(weights.size());
    EXPECT_GT(count, 100);
    EXPECT_EQ(file.get<std::int64_t>("coefficient.feature.offsets", {count + 1})[0], 0);
    for (const float error : file.get<float>("coefficient.error", {count})) {
        EXPECT_GT(error, 0);
        EXPECT_TRUE(std::isfinite(error));
    }
    for (const std::int64_t rows : file.get<std::int64_t>("coefficient.rows", {count})) EXPECT_GT(rows, 0);
    const auto bytes = file.get<std::uint8_t>("coefficient.value.bytes", {-1});
    const std::string values(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    EXPECT_NE(values.find("plain * fancy"), std::string::npos);
}

}  // namespace
}  // namespace seqrec::trainer
