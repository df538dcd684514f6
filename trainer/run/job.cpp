#include "run/job.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "core/error.hpp"
#include "core/options.hpp"
#include "files/model_file.hpp"
#include "index/indexing.hpp"
#include "kinds/transformer/training.hpp"
#include "kinds/transformer/warm_start.hpp"
#include "measure/baselines.hpp"
#include "measure/ranking_metrics.hpp"
#include "run/leftovers.hpp"
#include "run/memory_errors.hpp"
#include "run/stop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

struct Job {
    std::string dataset, model, kind, init, checkpoint;
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
                job.value("checkpoint", ""),
                job.value("options", json::object())};
    } catch (const json::exception& error) {
        throw Error(sqlstate::kInvalidParameter, "job file is not valid: " + std::string(error.what()),
                    R"(It is {"dataset": PATH, "model": PATH, "kind": "transformer", "options": {…}}.)");
    }
}

std::string protocol(const Dataset& data) {
    const std::string split =
        data.split_by_time()
            ? "by time: of all interactions the last tenth is the test, the tenth before the validation, "
              "nothing later than the training part is trained on; every interaction of the two that is not "
              "its user's first, or an even sample of them where they times items pass 2e10; "
            : "leave-one-out: each user's last item is the test, the one before the validation; users with "
              "three or more items, or an even sample of them where users times items passes 2e10; ";
    return split + (data.keeps_repeats() ? "repeated items of a user are kept; all items ranked; "
                                         : "repeated items of a user reduced to the first; all items ranked "
                                           "but those the user has seen; ") +
           "ties count against the model";
}

/// Questions ranked at the end: all of them, unless they times items go past what takes minutes.
std::size_t test_limit(const Dataset& data) {
    return std::max<std::size_t>(20'000'000'000 / static_cast<std::size_t>(data.items()), 10000);
}

/// Test metrics of the model and of the baselines.
json evaluate(const Dataset& data, const Members& best, Workers& workers, Reporter& reporter) {
    const auto questions = [&](HeldOut which) { return thin_out(data.questions(which), test_limit(data)); };
    const std::vector<Question> test = questions(HeldOut::Test);
    const auto poll = [&](double share) {
        reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    };
    const Ranking ranking = rank_held_out(data, test, HeldOut::Test, best, workers, poll);
    const json valid = ranking_metrics(
        rank_held_out(data, questions(HeldOut::Validation), HeldOut::Validation, best, workers, poll).ranks);
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

json earlier_config(const Job& job) {
    if (job.init.empty()) return nullptr;
    return json::parse(SafetensorsFile::open(job.init).meta("config"));
}

/// Repeats are left to the earlier model to decide where it is not asked for: the next night's data may lie on
/// the other side of the line, the model would be another one.
DatasetOptions dataset_options(const json& options, const json& earlier) {
    DatasetOptions chosen(options);
    if (chosen.repeats == "auto" && earlier.is_object()) chosen.repeats = earlier.value("repeats", "first");
    return chosen;
}

std::string nothing_held_out(const Dataset& data) {
    if (data.split_by_time())
        return "no user has interacted again in the last tenth of the time, so nothing could be held out: "
               "metrics are null";
    return std::string("no user has three ") + (data.keeps_repeats() ? "interactions" : "different items") +
           ", so nothing could be held out: metrics are null";
}

Members fresh_start(const Dataset& data, const Settings& settings, Random& random) {
    Members start(static_cast<std::size_t>(settings.members));
    for (Snapshot& member : start) {
        member.model = Transformer(settings, data.items(), random);
        member.users = at::zeros({data.users(), settings.dim}, at::kFloat);
    }
    return start;
}

/// The weights of the model that the job names; users are then evaluated only on what it does not know.
Members warm_start(const Job& job, Dataset& data, const Settings& settings, Random& random,
                   Reporter& reporter) {
    WarmStart start = read_warm_start(job.init, job.dataset, settings, random);
    const std::size_t before = users_of(data.questions(HeldOut::Test));
    data.evaluate_only_after(start.seen_until);
    data.know_until(start.seen_until);
    reporter.event(
        "warning",
        {{"message", "started from a model that knows " + std::to_string(start.known_items) + " of " +
                         std::to_string(data.items()) + " items and " + std::to_string(start.known_users) +
                         " of " + std::to_string(data.users()) + " users; " +
                         std::to_string(users_of(data.questions(HeldOut::Test))) + " of " + std::to_string(before) +
                         " users have two new items to be evaluated on"}});
    return std::move(start.members);
}

/// What the turns of a job give: the weights that are measured, those that are served, and what was counted.
struct Trained {
    Members held_out, served;
    json metrics = json::object();
};

/// Trains one member after the other; each starts from its own weights and draws its own random numbers.
Trained train_members(const Job& job, const Dataset& data, const Settings& settings, Members start,
                      Random& random, Workers& workers, Reporter& reporter) {
    Trained trained;
    Turn turn{0, settings.members};
    for (; turn.number < turn.of; ++turn.number) {
        std::string path = job.checkpoint;
        if (!path.empty()) path.append(".").append(std::to_string(turn.number));
        Checkpoint checkpoint(path, data.job());
        Training training(data, settings, std::move(start[static_cast<std::size_t>(turn.number)]),
                          Random(random.next()), turn, workers, reporter, checkpoint);
        training.run();
        trained.held_out.push_back(training.best());
        training.fit_all();
        trained.served.push_back(training.best());
        trained.metrics = training.metrics(trained.metrics);
        turn.epochs_before = trained.metrics["epochs"];
        turn.seconds_before = trained.metrics["train_seconds"];
    }
    return trained;
}

void train(const std::string& path, Reporter& reporter) {
    reporter.progress({{"phase", "loading"}, {"percent", 0}});  // first: who reads it then limits the memory
    const Job job = read_job(path);
    remove_leftovers(job.model, job.checkpoint);
    const json options = resolve_options(job.kind, job.options);
    const json earlier = earlier_config(job);
    Dataset data(job.dataset, dataset_options(options, earlier));
    const Settings settings(options, data, earlier);
    Random random(static_cast<std::uint64_t>(settings.seed));
    Members start = job.init.empty() ? fresh_start(data, settings, random)
                                     : warm_start(job, data, settings, random, reporter);
    if (data.questions(HeldOut::Test).empty() && job.init.empty())  // a warm start has told how many there are
        reporter.warning(nothing_held_out(data));
    Workers workers(static_cast<int>(settings.threads));
    Trained trained = train_members(job, data, settings, std::move(start), random, workers, reporter);
    trained.metrics.update(evaluate(data, trained.held_out, workers, reporter));
    for (const char* name : {"flops", "step_seconds"}) trained.metrics.erase(name);
    const std::optional<ModelIndex> index = index_items(trained.served, data, settings, workers, reporter);
    if (index) trained.metrics.update(index->metrics());
    json config = settings.to_json();
    config.update(data.config());
    config["lists"] = index ? index->items.lists() : 0;
    config["probes"] = index ? index->probes.count : 0;
    config["trained_epochs"] = trained.metrics["epochs"].get<std::int64_t>() / settings.members;
    reporter.progress({{"phase", "writing"}});
    write_model(job.model, std::move(trained.served), data, index ? &index->items : nullptr, config,
                trained.metrics);
    reporter.event("done", {{"metrics", trained.metrics}, {"config", config}});
}

/// Written beforehand: there may be no memory to make it when it is needed.
constexpr std::string_view kOutOfMemory =
    R"({"event":"error","sqlstate":"53200","message":"out of memory while training",)"
    R"("hint":"Lower dim, batch_tokens or threads, or give the trainer more memory."})"
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
