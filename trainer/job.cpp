#include "job.hpp"

#include <fstream>
#include <sstream>

#include "baselines.hpp"
#include "core/error.hpp"
#include "core/options.hpp"
#include "export.hpp"
#include "metrics.hpp"
#include "stop.hpp"
#include "training.hpp"
#include "warm_start.hpp"

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

constexpr char kProtocol[] =
    "leave-one-out: each user's last item is the test, the one before the validation; users with three or "
    "more "
    "items, or an even sample of them where users times items passes 2e10; repeated items of a user reduced "
    "to "
    "the first; all items ranked but those the user has seen; ties count against the model";

/// Users ranked at the end: all of them, unless users times items goes past what takes minutes.
std::size_t test_limit(const Dataset& data) {
    return std::max<std::size_t>(20'000'000'000 / static_cast<std::size_t>(data.items()), 10000);
}

/// Test metrics of the model and of the baselines.
json evaluate(const Dataset& data, const Snapshot& best, Workers& workers, Reporter& reporter) {
    const std::vector<std::int32_t> users = thin_out(data.evaluated(), test_limit(data));
    const Ranking ranking = rank_held_out(data, users, HeldOut::Test, best, workers, [&](double share) {
        reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    });
    json metrics = ranking_metrics(ranking.ranks);
    metrics["coverage@10"] = users.empty() ? json() : json(ranking.coverage);
    const BaselineRanks baselines = rank_baselines(data, users);
    const json popularity = ranking_metrics(baselines.popularity), markov = ranking_metrics(baselines.markov);
    for (const char* name : {"hr@10", "ndcg@10"}) {
        metrics[std::string("popularity_") + name] = popularity[name];
        metrics[std::string("markov_") + name] = markov[name];
    }
    metrics["users"] = data.users();
    metrics["items"] = data.items();
    metrics["interactions"] = data.interactions();
    metrics["rows"] = data.rows();
    metrics["users_evaluated"] = users.size();
    metrics["protocol"] = kProtocol;
    return metrics;
}

json earlier_config(const Job& job) {
    if (job.init.empty()) return nullptr;
    return json::parse(SafetensorsFile::open(job.init).meta("config"));
}

Snapshot fresh_start(const Dataset& data, const Settings& settings, Random& random) {
    Snapshot start;
    start.model = Transformer(settings, data.items(), random);
    start.users = at::zeros({data.users(), settings.dim}, at::kFloat);
    return start;
}

/// The weights of the model that the job names; users are then evaluated only on what it does not know.
Snapshot warm_start(const Job& job, Dataset& data, const Settings& settings, Random& random,
                    Reporter& reporter) {
    WarmStart start = read_warm_start(job.init, job.dataset, settings, random);
    const std::size_t before = data.evaluated().size();
    data.evaluate_only_after(start.seen_until);
    reporter.event(
        "warning",
        {{"message", "started from a model that knows " + std::to_string(start.known_items) + " of " +
                         std::to_string(data.items()) + " items and " + std::to_string(start.known_users) +
                         " of " + std::to_string(data.users()) + " users; " +
                         std::to_string(data.evaluated().size()) + " of " + std::to_string(before) +
                         " users have two new items to be evaluated on"}});
    return std::move(start.weights);
}

void train(const std::string& path, Reporter& reporter) {
    const Job job = read_job(path);
    const json options = resolve_options(job.kind, job.options);
    reporter.progress({{"phase", "loading"}, {"percent", 0}});
    Dataset data(job.dataset);
    const Settings settings(options, data, earlier_config(job));
    Random random(static_cast<std::uint64_t>(settings.seed));
    Snapshot start = job.init.empty() ? fresh_start(data, settings, random)
                                      : warm_start(job, data, settings, random, reporter);
    if (data.evaluated().empty())
        reporter.warning("no user has three different items, so nothing could be held out: metrics are null");
    Workers workers(static_cast<int>(settings.threads));
    Checkpoint checkpoint(job.checkpoint);
    Training training(data, settings, std::move(start), random, workers, reporter, checkpoint);
    training.run();
    const json held_out = evaluate(data, training.best(), workers, reporter);
    training.fit_all();
    json metrics = training.metrics();
    metrics.update(held_out);
    reporter.progress({{"phase", "writing"}});
    json config = settings.to_json();
    config["trained_epochs"] = metrics["epochs"];
    write_model(job.model, training.best(), data, config, metrics);
    reporter.event("done", {{"metrics", metrics}, {"config", config}});
}

int fail(Reporter& reporter, const char* state, const std::string& message, const std::string& hint) {
    reporter.event("error", {{"sqlstate", state}, {"message", message}, {"hint", hint}});
    return 1;
}

int out_of_memory(Reporter& reporter) {
    return fail(reporter, sqlstate::kOutOfMemory, "out of memory while training",
                "Lower dim, batch_tokens or threads, or give the trainer more memory.");
}

}  // namespace

int run_job(const std::string& path) {
    Reporter reporter;
    try {
        train(path, reporter);
        return 0;
    } catch (const Error& error) {
        return fail(reporter, error.sqlstate.c_str(), error.what(), error.hint);
    } catch (const std::bad_alloc&) {
        return out_of_memory(reporter);
    } catch (const c10::Error& error) {
        const std::string what = error.what_without_backtrace();
        if (what.find("not enough memory") != std::string::npos) return out_of_memory(reporter);
        return fail(reporter, sqlstate::kInternal, what, "");
    } catch (const Stopped&) {
        return 143;
    } catch (const std::exception& error) {
        return fail(reporter, sqlstate::kInternal, error.what(), "");
    }
}

}  // namespace seqrec::trainer
