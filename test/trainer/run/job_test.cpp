// Whole jobs through the program: protocol, determinism, tiny and hopeless data, SIGTERM.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <numeric>
#include <thread>

#include "interrupted.hpp"
#include "limits.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::read_file;
using seqrec::testing::TempFolder;
using testing::Sequences;

TEST(Job, LearnsAWalkAndReportsIt) {
    const TempFolder folder;
    const auto outcome = testing::train(folder, testing::walks(300, 60, 30), 60,
                                        {{"dim", 32}, {"epochs", 25}, {"threads", 2}});
    ASSERT_EQ(outcome.status, 0);
    const json metrics = outcome.last("done").at("metrics");
    EXPECT_GT(metrics.at("ndcg@10").get<double>(), 0.3);
    EXPECT_GT(metrics.at("ndcg@10").get<double>(), 2 * metrics.at("popularity_ndcg@10").get<double>());
    for (const char* name :
         {"hr@10",          "valid_hr@10",    "valid_ndcg@10",    "popularity_hr@10", "markov_hr@10",
          "markov_ndcg@10", "personal_hr@10", "personal_ndcg@10", "repeat_share",     "rows_evaluated",
          "coverage@10",    "best_epoch",     "labels",           "labels_per_s",     "train_seconds",
          "users",          "items",          "interactions",     "users_evaluated",  "mrr@10"})
        EXPECT_TRUE(metrics.at(name).is_number()) << name;
    EXPECT_TRUE(metrics.at("protocol").is_string());
    const json config = outcome.last("done").at("config");
    for (const auto& [name, value] : config.items())  // all decided; merge_seconds: nothing is merged
        EXPECT_EQ(value.is_null(), name == "merge_seconds") << name;
    EXPECT_EQ(outcome.last("epoch").at("metrics").size(), 2u);
}

/// What a job left in its folder.
std::string weights(const TempFolder& folder) { return testing::bytes_of_model(folder / "model"); }

TEST(Job, SameSeedSameModel) {
    const TempFolder first, second, other;
    const Sequences data = testing::walks(80, 40, 60);
    const json options = {{"dim", 16}, {"epochs", 3}, {"threads", 2}, {"max_len", 20}};
    const auto a = testing::train(first, data, 40, options), b = testing::train(second, data, 40, options);
    EXPECT_EQ(a.last("done").at("metrics").at("ndcg@10"), b.last("done").at("metrics").at("ndcg@10"));
    EXPECT_TRUE(weights(first) == weights(second));
    json reseeded = options;
    reseeded["seed"] = 2;
    testing::train(other, data, 40, reseeded);
    EXPECT_FALSE(weights(first) == weights(other));
}

/// What is served has seen the held-out items, unless it must not; the metrics are the same either way.
TEST(Job, HeldOutItemsAreFittedAtTheEndUnlessKept) {
    const TempFolder refit, keep;
    const Sequences data = testing::walks(200, 40, 30);
    json options = {{"dim", 16}, {"epochs", 12}, {"threads", 2}};
    const json first = testing::train(refit, data, 40, options).last("done").at("metrics");
    options["holdout"] = "keep";
    const json second = testing::train(keep, data, 40, options).last("done").at("metrics");
    EXPECT_GE(first.at("final_fit_epochs").get<int>(), 2);  // one a member
    EXPECT_EQ(second.at("final_fit_epochs"), 0);
    EXPECT_EQ(first.at("ndcg@10"), second.at("ndcg@10"));
    EXPECT_EQ(first.at("valid_ndcg@10"), second.at("valid_ndcg@10"));
    EXPECT_FALSE(weights(refit) == weights(keep));
}

TEST(Job, SampledSoftmaxLearnsToo) {
    const TempFolder folder;
    const auto outcome = testing::train(
        folder, testing::walks(300, 60, 30), 60,
        {{"dim", 32}, {"epochs", 25}, {"sampled_items", 20}, {"threads", 2}, {"batch_tokens", 512}});
    ASSERT_EQ(outcome.status, 0);
    EXPECT_GT(outcome.last("done").at("metrics").at("ndcg@10").get<double>(), 0.3);
}

std::vector<std::int32_t> one_of_each(std::int32_t items) {
    std::vector<std::int32_t> sequence(static_cast<std::size_t>(items));
    std::iota(sequence.begin(), sequence.end(), 0);
    return sequence;
}

TEST(Job, FewDataTrainOrSayWhyNot) {
    struct Case {
        Sequences sequences;
        std::int64_t items;
        std::string error;  // SQLSTATE, or "" when it trains
        json options = {{"epochs", 2}};
    };
    const std::vector<Case> cases = {
        {{}, 0, "22000"},
        {{{0}, {0, 0, 0}}, 1, "22000"},
        {{{0}, {1}, {1, 1}}, 2, "22000"},
        {{{0, 1}}, 2, ""},
        {{{0, 1, 2}}, 3, ""},
        {{{0, 1}, {1, 0}, {1}}, 2, ""},
        {testing::walks(1, 500, 400), 500, ""},
        {{one_of_each(50001), one_of_each(50001)}, 50001, "", {{"epochs", 1}, {"dim", 16}, {"members", 1}}},
    };
    for (const Case& one : cases) {
        const TempFolder folder;
        const auto outcome = testing::train(folder, one.sequences, one.items, one.options);
        if (one.error.empty()) {
            EXPECT_EQ(outcome.status, 0);
            EXPECT_FALSE(outcome.last("done").is_null());
            continue;
        }
        EXPECT_EQ(WEXITSTATUS(outcome.status), 1);
        const json error = outcome.last("error");
        EXPECT_EQ(error.at("sqlstate"), one.error);
        EXPECT_FALSE(error.at("hint").get<std::string>().empty());
        EXPECT_FALSE(std::filesystem::exists(folder / "model"));
    }
}

TEST(Job, WithoutHeldOutItemsMetricsAreNull) {
    const TempFolder folder;
    const auto outcome = testing::train(folder, {{0, 1}, {1, 2}}, 3, {{"epochs", 2}});
    ASSERT_EQ(outcome.status, 0);
    EXPECT_FALSE(outcome.last("warning").is_null());
    EXPECT_TRUE(outcome.last("done").at("metrics").at("ndcg@10").is_null());
}

/// By the clock there may be a test and nothing to steer by: users of the last tenth alone come back.
TEST(Job, ATestWithoutAValidationIsEnough) {
    const TempFolder folder;
    Sequences sequences(60, {0, 1, 2, 3, 4});  // 300 events, one after the other
    for (int user = 0; user < 60; ++user)
        sequences.push_back({1});  // the next 60, of which 40 lie in the validation
    sequences.emplace_back();      // and the last 40
    for (int i = 0; i < 40; ++i) sequences.back().push_back(i % 5);
    const auto outcome = testing::train(
        folder, sequences, 5, {{"epochs", 2}, {"dim", 8}, {"max_len", 8}, {"members", 1}, {"split", "time"}});
    ASSERT_EQ(outcome.status, 0) << outcome.last("error").dump();
    const auto metrics = outcome.last("done").at("metrics");
    EXPECT_GT(metrics.at("rows_evaluated"), 0);
    EXPECT_TRUE(metrics.at("valid_ndcg@10").is_null()) << metrics.at("valid_ndcg@10");
    EXPECT_GT(metrics.at("final_fit_epochs"), 0);
}

TEST(Job, BadJobsAreErrors) {
    const TempFolder folder;
    const auto run = [&](const std::string& text) {
        seqrec::testing::write_file(folder / "job", text);
        return testing::run_command(std::string(SEQREC_TRAINER) + " train " + (folder / "job"));
    };
    EXPECT_EQ(run("{").last("error").at("sqlstate"), "22023");
    EXPECT_EQ(run(R"({"dataset":"/nowhere","model":"m","kind":"transformer"})").last("error").at("sqlstate"),
              "58030");
    EXPECT_EQ(run(R"({"dataset":"/nowhere","model":"m","kind":"oracle"})").last("error").at("sqlstate"),
              "22023");
}

TEST(Job, EndsAtMaxSeconds) {
    const TempFolder folder;
    const auto outcome = testing::train(folder, testing::walks(400, 300, 100), 300,
                                        {{"max_seconds", 6}, {"patience", 100000}, {"epochs", 100000}});
    EXPECT_EQ(outcome.status, 0);
    const json metrics = outcome.last("done").at("metrics");
    EXPECT_GT(metrics.at("train_seconds").get<double>(), 2);  // it goes on for as long as it may
    EXPECT_LT(metrics.at("epochs").get<std::int64_t>(),
              100000);  // and ends by the clock, whatever the machine does beside it
}

/// Starts a job on a dataset that is there already; returns the process.
pid_t start_job(const TempFolder& folder, const json& job, const std::string& output = "/dev/null") {
    const std::string path = folder / "job";
    seqrec::testing::write_file(path, job.dump());
    const pid_t child = ::fork();
    if (child == 0) {
        if (!std::freopen(output.c_str(), "w", stdout)) ::_exit(1);
        ::execl(SEQREC_TRAINER, SEQREC_TRAINER, "train", path.c_str(), nullptr);
        ::_exit(127);
    }
    return child;
}

/// Whether a file comes to have these words in it.
bool says(const std::string& path, const std::string& words) {
    return testing::comes_true(std::filesystem::path(path).parent_path(), [&] {
        return std::filesystem::exists(path) && read_file(path).find(words) != std::string::npos;
    });
}

TEST(Job, GoesOnAfterAKillAsIfNothingHadHappened) {
    struct Case {
        int sampled, students;
        const char* checkpoint;  // of the first or of the second member, or of their student
    };
    for (const auto& [sampled, students, checkpoint] :
         {Case{0, 0, "checkpoint.0"}, Case{20, 0, "checkpoint.1"}, Case{0, 1, "checkpoint.2"}}) {
        const TempFolder whole, interrupted;
        const Sequences data = testing::walks(300, 60, 30);
        const json options = {{"dim", 16},    {"epochs", 24},
                              {"threads", 2}, {"sampled_items", sampled},
                              {"members", 2}, {"students", students}};
        const auto expected = testing::train(whole, data, 60, options);
        testing::write_dataset(interrupted / "dataset", data, 60);
        const json job = {{"dataset", interrupted / "dataset"},
                          {"model", interrupted / "model"},
                          {"checkpoint", interrupted / "checkpoint"},
                          {"kind", "transformer"},
                          {"options", options}};
        const pid_t child = start_job(interrupted, job);
        ASSERT_TRUE(testing::wait_for_file(interrupted / checkpoint));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        ASSERT_FALSE(std::filesystem::exists(interrupted / "model"));
        const auto resumed =
            testing::run_command(std::string(SEQREC_TRAINER) + " train " + (interrupted / "job"));
        ASSERT_EQ(resumed.status, 0);
        EXPECT_NE(resumed.last("warning").at("message").get<std::string>().find("interrupted"),
                  std::string::npos);
        EXPECT_EQ(resumed.last("done").at("metrics").at("ndcg@10"),
                  expected.last("done").at("metrics").at("ndcg@10"));
        EXPECT_TRUE(weights(interrupted) == weights(whole)) << checkpoint << ", sampled " << sampled;
    }
}

TEST(Job, RefusesTheCheckpointOfOtherSettings) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", testing::walks(300, 60, 30), 60);
    json job = {{"dataset", folder / "dataset"},
                {"model", folder / "model"},
                {"checkpoint", folder / "checkpoint"},
                {"kind", "transformer"},
                {"options", {{"epochs", 40}, {"dim", 16}}}};
    const std::string command = std::string(SEQREC_TRAINER) + " train " + (folder / "job");
    seqrec::testing::write_file(folder / "job", job.dump());
    ASSERT_EQ(testing::run_command(command).status, 0);
    ASSERT_TRUE(std::filesystem::exists(folder / "checkpoint.0"));
    job["options"]["dim"] = 24;
    seqrec::testing::write_file(folder / "job", job.dump());
    EXPECT_EQ(testing::run_command(command).last("error").at("sqlstate"), "22023");
}

TEST(Job, ItsNameIsInModelAndCheckpoint) {
    for (const std::string name : {"", "00000000-0000-0000-0000-00000000000a"}) {
        const TempFolder folder;
        testing::write_dataset(folder / "dataset", testing::walks(100, 20, 20), 20, name);
        ASSERT_EQ(testing::run_job(folder, {{"epochs", 4}, {"dim", 8}, {"threads", 1}}).status, 0);
        for (const char* path : {"model", "checkpoint.0"}) {
            const SafetensorsFile file = SafetensorsFile::open(folder / path);
            const auto found = file.metadata().find("job");
            EXPECT_EQ(found == file.metadata().end() ? "" : found->second, name) << path;
        }
    }
}

TEST(Job, StartsAnewBesideTheCheckpointOfAnotherJob) {
    const TempFolder folder, alone;
    const Sequences data = testing::walks(100, 20, 20), others = testing::walks(100, 20, 20, 2);
    const json options = {{"epochs", 4}, {"dim", 8}, {"threads", 1}, {"members", 2}};
    testing::write_dataset(folder / "dataset", others, 20, "a");
    ASSERT_EQ(testing::run_job(folder, options).status, 0);
    for (const TempFolder* each : {&folder, &alone}) testing::write_dataset(*each / "dataset", data, 20, "b");
    const auto outcome = testing::run_job(folder, options);
    ASSERT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.last("warning").at("message"), "the checkpoint belongs to another job and is not used");
    ASSERT_EQ(testing::run_job(alone, options).status, 0);
    EXPECT_TRUE(weights(folder) == weights(alone));
    EXPECT_EQ(SafetensorsFile::open(folder / "checkpoint.0").meta("job"), "b");
}

/// Waits for a process to end, five minutes at most; -1 when it has to be killed.
int wait_for(pid_t child) {
    int status = 0;
    for (int i = 0; i < 3000; ++i) {
        if (::waitpid(child, &status, WNOHANG) == child) return status;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return -1;
}

/// Starts a job and, as the worker does, limits its memory once its first line is there: to `more` than it
/// has.
testing::Outcome train_with_little_memory(const TempFolder& folder, const json& job, std::uint64_t more) {
    const std::string output = folder / "output";
    seqrec::testing::write_file(output, "");
    const pid_t child = start_job(folder, job, output);
    for (int i = 0; i < 10000 && std::filesystem::file_size(output) == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    testing::limit_memory(child, more);
    testing::Outcome outcome;
    outcome.status = wait_for(child);
    outcome.events = testing::read_events(read_file(output));
    return outcome;
}

/// However little there is: it trains, or says that memory ran out.
TEST(Job, OutOfMemoryIsAnErrorOfItsOwn) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", testing::walks(3000, 5000, 60), 5000);
    const json job = {{"dataset", folder / "dataset"},
                      {"model", folder / "model"},
                      {"kind", "transformer"},
                      {"options", {{"epochs", 1}, {"members", 1}, {"threads", 4}}}};
    for (const std::uint64_t mb : {0, 2, 8, 16, 32, 64, 100, 1000}) {
        const auto outcome = train_with_little_memory(folder, job, mb << 20);
        SCOPED_TRACE(std::to_string(mb) + " MB");
        ASSERT_FALSE(outcome.events.empty());
        EXPECT_EQ(outcome.events[0].at("phase"), "loading");
        if (mb > 32 && outcome.status == 0) continue;
        EXPECT_LE(mb, 100u);
        ASSERT_TRUE(WIFEXITED(outcome.status));
        EXPECT_EQ(WEXITSTATUS(outcome.status), 1);
        ASSERT_FALSE(outcome.last("error").is_null());
        EXPECT_EQ(outcome.last("error").at("sqlstate"), "53200");
    }
}

TEST(Job, SigtermLeavesNoFile) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", testing::walks(400, 300, 100), 300);
    const TempFolder said;
    const pid_t child = start_job(folder,
                                  {{"dataset", folder / "dataset"},
                                   {"model", folder / "model"},
                                   {"kind", "transformer"},
                                   {"options", {{"epochs", 100000}, {"patience", 100000}}}},
                                  said / "output");
    ASSERT_TRUE(says(said / "output", R"("phase":"training")"));
    ::kill(child, SIGTERM);
    const int status = wait_for(child);
    ASSERT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
    EXPECT_EQ(folder.files(), 2u);
}

}  // namespace
}  // namespace seqrec::trainer
