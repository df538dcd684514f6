#include "run/job.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/error.hpp"
#include "core/options.hpp"
#include "files/model_file.hpp"
#include "index/indexing.hpp"
#include "kinds/trainer_kind.hpp"
#include "measure/baselines.hpp"
#include "measure/comparison.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"
#include "measure/repeats.hpp"
#include "run/leftovers.hpp"
#include "run/memory_errors.hpp"
#include "run/stop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

struct Job {
    std::string dataset, model, kind, init, compare, checkpoint;
    json options;
};

Job read_job(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    if (!file) throw Error(sqlstate::kIo, "could not read job file \"" + path + "\"");
    try {
        const json job = json::parse(text.str());
        return {job.at("dataset"),
                job.at("model"),
                job.at("kind"),
                job.value("init", ""),
                job.value("compare", ""),
                job.value("checkpoint", ""),
                job.value("options", json::object())};
    } catch (const json::exception& error) {
        throw Error(sqlstate::kInvalidParameter, "job file is not valid: " + std::string(error.what()),
                    R"(It is {"dataset": PATH, "model": PATH, "kind": NAME, "options": {…}}.)");
    }
}

std::string protocol(const Dataset& data) {
    const std::string split =
        data.split() == Split::Random ? "at random: of all interactions a tenth is the test, another the "
                                        "validation, each asked for after "
                                        "all that its user was trained on; every interaction of the two that "
                                        "is not its user's only one, "
                                        "or an even sample of them where they times items pass 2e10; "
        : data.split_by_time()
            ? "by time: of all interactions the last tenth is the test, the tenth before the validation, "
              "nothing later than the training part is trained on; every interaction of the two that is not "
              "its user's first, or an even sample of them where they times items pass 2e10; "
            : "leave-one-out: each user's last item is the test, the one before the validation; users with "
              "three or more items, or an even sample of them where users times items passes 2e10; ";
    return split +
           (data.keeps_repeats() ? "repeated items of a user are kept; all items ranked; "
                                 : "repeated items of a user reduced to the first; all items ranked "
                                   "but those the user has seen; ") +
           "ties count against the model";
}

/// Questions ranked at the end: all of them, unless they times items go past what takes minutes.
std::size_t test_limit(const Dataset& data) {
    return std::max<std::size_t>(20'000'000'000 / static_cast<std::size_t>(data.items()), 10000);
}

/// Questions that shifts are fitted on: as many as a few seconds rank.
std::size_t shift_limit(const Dataset& data) {
    return std::clamp<std::size_t>(2'500'000'000 / static_cast<std::size_t>(data.items()), 2000, 20000);
}

Shifts choose_shifts(const Dataset& data, const Weights& best, Workers& workers, Reporter& reporter) {
    const auto questions = thin_out(data.questions(HeldOut::Validation), shift_limit(data));
    return fit_shifts(data, questions, best, workers, [&](double share) {
        reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    });
}

/// Test metrics of the model and of the baselines.
json evaluate(const Dataset& data, const Weights& best, const Shifts& shifts, Workers& workers,
              Reporter& reporter) {
    const auto questions = [&](HeldOut which) { return thin_out(data.questions(which), test_limit(data)); };
    const std::vector<Question> test = questions(HeldOut::Test);
    const auto rank = [&](const std::vector<Question>& asked, HeldOut which) {
        return rank_held_out(data, asked, which, best, shifts, workers, [&](double share) {
            reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
        });
    };
    const Ranking ranking = rank(test, HeldOut::Test);
    const json valid = ranking_metrics(rank(questions(HeldOut::Validation), HeldOut::Validation).ranks);
    json metrics = ranking_metrics(ranking.ranks);
    for (const char* name : {"hr@10", "ndcg@10"}) metrics[std::string("valid_") + name] = valid[name];
    metrics["coverage@10"] = test.empty() ? json() : json(ranking.coverage);
    const BaselineRanks baselines = rank_baselines(data, test);
    const std::pair<std::string, json> others[] = {{"popularity_", ranking_metrics(baselines.popularity)},
                                                   {"markov_", ranking_metrics(baselines.markov)},
                                                   {"personal_", ranking_metrics(baselines.personal)}};
    for (const auto& [prefix, baseline] : others)
        for (const char* name : {"hr@10", "ndcg@10"}) metrics[prefix + name] = baseline[name];
    metrics["repeat_share"] = data.repeat_share() ? json(*data.repeat_share()) : json();
    metrics["users"] = data.users();
    metrics["items"] = data.items();
    metrics["interactions"] = data.interactions();
    metrics["rows"] = data.rows();
    metrics["users_evaluated"] = users_of(test);
    metrics["rows_evaluated"] = test.size();
    metrics["protocol"] = protocol(data);
    return metrics;
}

/// The model that the job names to start from.
std::optional<EarlierModel> open_earlier(const Job& job) {
    if (job.init.empty()) return std::nullopt;
    EarlierModel earlier(job.init, job.dataset);
    if (kind_of(earlier.file).name != job.kind)
        throw Error(sqlstate::kInvalidParameter, "the model to start from is of another kind",
                    "A training can start only from a model of its own kind.");
    return earlier;
}

/// Until when the earlier model has been told of each user. By the clock it is told of all: others' later interactions are
/// part of what nobody may have learned.
std::vector<double> told_until(const EarlierModel& earlier, const Dataset& data) {
    std::vector<double> until = earlier.seen_until;
    if (data.split_by_time() && !until.empty()) std::fill(until.begin(), until.end(), earlier.told_until());
    return until;
}

/// Users are evaluated only on what the earlier model does not know.
void build_on(const EarlierModel& earlier, Dataset& data, Reporter& reporter) {
    const std::size_t before = users_of(data.questions(HeldOut::Test));
    data.evaluate_only_after(told_until(earlier, data));
    data.know_until(earlier.seen_until);
    const std::size_t after = users_of(data.questions(HeldOut::Test));
    reporter.event(
        "warning",
        {{"message", "started from a model that knows " + std::to_string(earlier.known_items()) + " of " +
                         std::to_string(data.items()) + " items and " +
                         std::to_string(earlier.known_users()) + " of " + std::to_string(data.users()) +
                         " users; " + std::to_string(after) + " of " + std::to_string(before) +
                         (data.split_by_time() ? " users have only new items to be evaluated on"
                                               : " users have two new items to be evaluated on")}});
}

/// Repeats are left to the earlier model to decide where they are not asked for: the next night's data may
/// lie on the other side of the line, and the model would be another one.
DatasetOptions dataset_options(const json& options, const Kind& kind, const json& earlier) {
    DatasetOptions chosen(options);
    chosen.sequences = kind.needs.sequences;
    chosen.knows_users = kind.needs.users;
    if (chosen.repeats == "auto" && earlier.is_object()) chosen.repeats = earlier.value("repeats", "first");
    return chosen;
}

std::string nothing_held_out(const Dataset& data) {
    if (data.split_by_time())
        return "no user has interacted again in the last tenth of the time, so nothing could be held out: "
               "metrics are null";
    if (data.split() == Split::Random) return "no interaction could be held out at random: metrics are null";
    return std::string("no user has three ") + (data.keeps_repeats() ? "interactions" : "different items") +
           ", so nothing could be held out: metrics are null";
}

json config_of(const std::optional<EarlierModel>& earlier) {
    return earlier ? json::parse(earlier->file.meta("config")) : json();
}

/// The options with those of all kinds decided.
json decided(json options) {
    json& threads = options.at("threads");
    if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
    return options;
}

/// How the active version ranks the same rows; a version that can't be read is no reason to lose the
/// training.
json compare(const Job& job, const Dataset& data, const Weights& measured, const Shifts& shifts,
             Workers& workers, Reporter& reporter) try {
    if (job.compare.empty()) return json::object();
    const EarlierModel active(job.compare, job.dataset);
    return compare_with_active(data, active, measured, shifts, test_limit(data), workers, [&](double share) {
        reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    });
} catch (const Error& error) {
    reporter.warning(std::string("the active version could not be compared with: ") + error.what());
    return json::object();
}

/// Adds the index to what is said of the model, when the options ask for one.
std::optional<ModelIndex> add_index(const json& options, const Kind& kind, const Dataset& data,
                                    Trained& trained, Workers& workers, Reporter& reporter) {
    const at::Tensor rows = trained.served->item_rows();
    const bool wanted = wants_index(options.at("index"), rows);
    trained.config["index"] = wanted ? "ivf" : "none";
    trained.config["lists"] = trained.config["probes"] = 0;
    if (!wanted) return std::nullopt;
    ModelIndex index =
        index_items(*trained.served, rows, kind.form, data, options.at("seed"), workers, reporter);
    trained.metrics.update(index.metrics());
    trained.config["lists"] = index.items.lists();
    trained.config["probes"] = index.probes.count;
    return index;
}

void train(const std::string& path, Reporter& reporter) {
    reporter.progress({{"phase", "loading"}, {"percent", 0}});  // first: who reads it then limits the memory
    const Job job = read_job(path);
    remove_leftovers(job.model, job.checkpoint);
    const TrainerKind& kind = trainer_kind(job.kind);
    const json options = decided(resolve_options(job.kind, job.options));
    const std::optional<EarlierModel> earlier = open_earlier(job);
    Dataset data(job.dataset, dataset_options(options, *kind.kind, config_of(earlier)));
    if (options.at("split") == "time" && !data.split_by_time())
        reporter.warning(
            "all interactions have one time, so a fifth of them was held out at random instead of the "
            "latest");
    if (earlier) build_on(*earlier, data, reporter);
    const auto model = kind.make(options, data, config_of(earlier));
    if (earlier) model->start_from(*earlier);
    if (data.questions(HeldOut::Test).empty() &&
        !earlier)  // a warm start has told already how many there are
        reporter.warning(nothing_held_out(data));
    Workers workers(options.at("threads").get<int>());
    Trained trained = model->train({data, workers, reporter, job.checkpoint});
    const bool tells_probabilities = kind.kind->form.link == Link::Sigmoid;  // which shifts would make wrong
    const Shifts shifts =
        tells_probabilities ? Shifts{} : choose_shifts(data, *trained.measured, workers, reporter);
    trained.metrics.update(evaluate(data, *trained.measured, shifts, workers, reporter));
    trained.metrics.update(compare(job, data, *trained.measured, shifts, workers, reporter));
    trained.config.update(data.config());
    if (!shifts.empty()) trained.config["repeat_shifts"] = shifts;
    const auto index = add_index(options, *kind.kind, data, trained, workers, reporter);
    reporter.progress({{"phase", "writing"}});
    write_model(job.model, {*kind.kind, trained.config, trained.metrics}, *trained.served, data,
                index ? &index->items : nullptr);
    reporter.event("done", {{"metrics", trained.metrics}, {"config", trained.config}});
}

/// Written beforehand: there may be no memory to make it when it is needed.
constexpr std::string_view kOutOfMemory =
    R"({"event":"error","sqlstate":"53200","message":"out of memory while training",)"
    R"("hint":"Give the trainer more memory, or lower threads and what the kind's options make large."})"
    "\n";

void fail(Reporter& reporter, const char* state, const std::string& message, const std::string& hint) {
    reporter.event("error", {{"sqlstate", state}, {"message", message}, {"hint", hint}});
}

void report(Reporter& reporter, const std::exception& error) {
    if (is_out_of_memory(error)) return reporter.line(kOutOfMemory);
    if (const auto* own = dynamic_cast<const Error*>(&error))
        return fail(reporter, own->sqlstate.c_str(), own->what(), own->hint);
    const auto* torch = dynamic_cast<const c10::Error*>(&error);
    fail(reporter, sqlstate::kInternal, torch ? torch->what_without_backtrace() : error.what(), "");
}

int run(const std::string& path) {
    Reporter reporter;
    try {
        train(path, reporter);
        return 0;
    } catch (const Stopped&) {
        return 143;
    } catch (const std::exception& error) {
        report(reporter, error);
        return 1;
    }
}

std::atomic<bool> running = false;

/// libgomp calls exit(), in any thread, when it gets no memory. Destructors are then no safe thing to run.
void leave(int status, void*) {
    if (running) std::fwrite(kOutOfMemory.data(), 1, kOutOfMemory.size(), stdout);
    std::fflush(stdout);
    ::_exit(status);
}

}  // namespace

int run_job(const std::string& path) {
    ::on_exit(leave, nullptr);
    running = true;
    const int status = run(path);
    running = false;
    return status;
}

}  // namespace seqrec::trainer
