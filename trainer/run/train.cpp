#include "run/train.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "core/options.hpp"
#include "data/excluded.hpp"
#include "data/item_content.hpp"
#include "files/model_file.hpp"
#include "index/indexing.hpp"
#include "kinds/shared/choices.hpp"
#include "kinds/trainer_kind.hpp"
#include "measure/baselines.hpp"
#include "measure/cold_items.hpp"
#include "measure/comparison.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"
#include "measure/repeats.hpp"
#include "run/leftovers.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

/// Of whom the last interactions are held out.
std::string measured_users(const Dataset& data) {
    return data.holdout_share() >= 1 ? "users"
                                     : "a random " + json(data.holdout_share()).dump() + " of the users";
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
            : "leave-one-out: each user's last item is the test, the one before the validation; " +
                  measured_users(data) +
                  " with three or more items, or an even sample of them where users times items passes "
                  "2e10; ";
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

Shifts choose_shifts(const Dataset& data, const Weights& best, const json& earlier, Workers& workers,
                     Reporter& reporter) {
    const auto poll = [&](double share) {
        reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    };
    const Shifts before = earlier.is_object() ? earlier.value("repeat_shifts", Shifts{}) : Shifts{};
    return fit_shifts(data, few_questions(data, HeldOut::Validation), best, workers, poll, before);
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

/// What is said of items that leave the model: nobody is to find out by missing them.
std::string gone_items(const EarlierModel& earlier) {
    const std::int64_t all = earlier.file.tensor("item.embedding").shape.at(0),
                       gone = all - earlier.known_items();
    if (gone <= 0) return {};
    return "; " + std::to_string(gone) + " of its " + std::to_string(all) +
           " items have no row here and leave the model (option keep_items)";
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
                                               : " users have two new items to be evaluated on") +
                         gone_items(earlier)}});
}

/// Repeats are left to the earlier model to decide where they are not asked for: the next night's data may
/// lie on the other side of the line, and the model would be another one.
DatasetOptions dataset_options(const json& options, const Kind& kind, const json& earlier) {
    DatasetOptions chosen(options);
    chosen.sequences = kind.needs.sequences;
    chosen.knows_users = kind.needs.users;
    chosen.asks_by_weight = kind.needs.context && !kind.needs.label;
    if (!kind.needs.text || earlier.is_object()) chosen.cold_share = 0;  // an earlier model knows all items
    if (chosen.repeats == "auto" && earlier.is_object()) chosen.repeats = earlier.value("repeats", "first");
    return chosen;
}

std::string nothing_held_out(const Dataset& data) {
    if (data.split_by_time())
        return "no user has interacted again in the last tenth of the time, so nothing could be held out: "
               "metrics are null";
    if (data.holdout_share() == 0) return "holdout_share is 0, so nothing was held out: metrics are null";
    if (data.split() == Split::Random) return "no interaction could be held out at random: metrics are null";
    return std::string(data.holdout_share() < 1 ? "no user that was drawn (holdout_share) has three "
                                                : "no user has three ") +
           (data.keeps_repeats() ? "interactions" : "different items") +
           ", so nothing could be held out: metrics are null";
}

json config_of(const std::optional<EarlierModel>& earlier) {
    return earlier ? json::parse(earlier->file.meta("config")) : json();
}

/// A chain of updates is measured by the training that it began with, not by the update before.
void keep_reference(json& config, const json& earlier) {
    const char* name = "trained_epochs";
    if (earlier.contains(name))
        config[name] = std::max(number_of(config, name, 0), number_of(earlier, name, 0));
}

/// The options with those of all kinds decided.
json decided(json options) {
    options.at("threads") = thread_count(options);
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

constexpr double kPast = 0.5;  // what a click counts of which the table no longer tells

/// What the earlier model's items were liked by those who are gone from the table.
std::vector<float> popularity_that_is_gone(const std::optional<EarlierModel>& earlier) {
    if (!earlier || earlier->gone() == 0) return {};
    const auto before = earlier->file.get<float>("item.popularity", {-1});
    std::vector<float> gone(earlier->items.size());
    for (std::size_t i = 0; i < gone.size(); ++i)
        if (const std::int32_t row = earlier->items[i]; row >= 0 && row < std::ssize(before))
            gone[i] = static_cast<float>(kPast * earlier->gone()) * before[static_cast<std::size_t>(row)];
    return gone;
}

ItemContent read_content(const Job& job, const Kind& kind, const Dataset& data,
                         const std::optional<EarlierModel>& earlier, Workers& workers, Reporter& reporter) {
    if (!kind.needs.text) return {};
    std::optional<SafetensorsFile> active;
    if (!earlier && !job.texts.empty()) active = SafetensorsFile::open(job.texts);
    return {data.file(),
            data.items(),
            {job.text_model, kind.needs.items},
            earlier  ? &earlier->file
            : active ? &*active
                     : nullptr,
            earlier ? config_of(earlier).value("content", json()) : json(),
            workers,
            reporter};
}

/// What a later refresh has to know beside the weights.
std::vector<NamedTensor> kept_of(const ItemContent& content, const Dataset& data) {
    std::vector<NamedTensor> kept = content.kept();
    if (data.file().contains("item.listed"))
        kept.push_back({"item.listed", read_tensor(data.file(), "item.listed")});
    for (NamedTensor& tensor : Excluded(data).tensors()) kept.push_back(std::move(tensor));
    return kept;
}

}  // namespace

void train(const Job& job, Reporter& reporter) {
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
    const ItemContent content = read_content(job, *kind.kind, data, earlier, workers, reporter);
    Trained trained =
        model->train({data, workers, reporter, job.checkpoint, content.exists() ? &content : nullptr});
    const bool tells_probabilities = kind.kind->form.link == Link::Sigmoid;  // which shifts would make wrong
    const Shifts shifts = tells_probabilities
                              ? Shifts{}
                              : choose_shifts(data, *trained.measured, config_of(earlier), workers, reporter);
    trained.metrics.update(evaluate(data, *trained.measured, shifts, workers, reporter));
    trained.metrics.update(cold_metrics(data, *trained.measured, shifts, workers, [&](double share) {
        reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    }));
    trained.metrics["items_without_interactions"] = std::ranges::count(data.counts(Part::All), 0);
    trained.metrics.update(compare(job, data, *trained.measured, shifts, workers, reporter));
    trained.config.update(data.config());
    if (earlier) keep_reference(trained.config, config_of(earlier));
    if (content.exists()) trained.config["content"] = content.config();
    if (kind.kind->needs.text) trained.config["cold_share"] = options.value("cold_share", 0.0);
    if (!shifts.empty()) trained.config["repeat_shifts"] = shifts;
    const auto index = choose_index(options, *trained.served, kind.kind->form, data, trained.config,
                                    trained.metrics, workers, reporter);
    reporter.progress({{"phase", "writing"}});
    write_model(job.model, {*kind.kind, trained.config, trained.metrics, popularity_that_is_gone(earlier)},
                *trained.served, data, index ? &index->items : nullptr, kept_of(content, data));
    reporter.event("done", {{"metrics", trained.metrics}, {"config", trained.config}});
}

}  // namespace seqrec::trainer
