#include "core/measure/model_evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.hpp"
#include "core/kinds/kind.hpp"
#include "core/measure/baselines.hpp"
#include "core/measure/ease.hpp"
#include "core/measure/pair_metrics.hpp"
#include "core/measure/told_rows.hpp"
#include "core/recommend.hpp"

namespace seqrec {
namespace {

constexpr std::size_t kAtOnce = 512;      // questions between two reports of progress
constexpr std::size_t kNeighbours = 200;  // of item_knn
constexpr double kMostPairSteps = 2e10;   // that counting pairs takes: a minute or two
constexpr std::int64_t kMostEaseItems = 20000;
constexpr double kEaseLambda = 500;

nlohmann::json config_of(const Snapshot& snapshot) {
    auto config = nlohmann::json::parse(snapshot.file().meta("config"), nullptr, false);
    return config.is_object() ? config : nlohmann::json::object();
}

EventRules rules_of(const Snapshot& snapshot) {
    EventRules rules{snapshot.keeps_repeats()};
    const nlohmann::json config = config_of(snapshot);
    if (const auto seconds = config.find("merge_seconds"); seconds != config.end() && seconds->is_number())
        rules.merge_seconds = *seconds;
    return rules;
}

std::int32_t find(const IdIndex& ids, const Id& id) {
    if (const auto* text = std::get_if<std::string_view>(&id)) return ids.find(*text);
    return ids.find(id_text(id));
}

/// What lies before a place, without what the model does not know.
std::vector<std::int32_t> known_before(const TableRows& rows, const Question& question) {
    std::vector<std::int32_t> known;
    for (const std::int32_t item :
         rows.log().items(question.user).first(static_cast<std::size_t>(question.at)))
        if (rows.knows(item)) known.push_back(item);
    return known;
}

std::int32_t target_of(const TableRows& rows, const Question& question) {
    return rows.log().items(question.user)[static_cast<std::size_t>(question.at)];
}

/// Where the ranks of one recommender become its figures.
void add_ranking(std::vector<Figure>& figures, const std::string& prefix, std::span<const std::int64_t> ranks,
                 std::span<const std::int32_t> ks) {
    for (const std::int32_t k : ks)
        for (Figure& figure : ranking_figures(ranks, k)) {
            figure.metric.insert(0, prefix);
            figures.push_back(std::move(figure));
        }
}

/// What a user's sequence is to the baselines: what may teach, or what the model was trained with.
Teaching teaching_of(const TableRows& rows, const HeldOut& held, Split split) {
    const Snapshot& snapshot = rows.snapshot();
    Teaching teaching{snapshot.items().size(), {}, snapshot.keeps_repeats()};
    if (split == Split::HeldOut) {
        for (std::int32_t user = 0; user < snapshot.users().size(); ++user)
            teaching.users.push_back(snapshot.seen(user));
        return teaching;
    }
    for (std::int64_t user = 0; user < rows.log().users(); ++user)
        teaching.users.push_back(rows.log().items(user).first(
            static_cast<std::size_t>(held.training[static_cast<std::size_t>(user)])));
    return teaching;
}

class Evaluator {
  public:
    Evaluator(const TableRows& rows, const EvaluationWish& wish, const Progress& progress)
        : rows_(rows),
          snapshot_(rows.snapshot()),
          wish_(wish),
          progress_(progress),
          held_(hold_out(rows.log(), wish.split)) {
        thin_out_users(held_.questions, wish.most_users);
        if (held_.questions.empty() && !gives_probabilities()) nothing_to_ask();
        teaching_ = teaching_of(rows, held_, wish.split);
        popularity_ = std::make_unique<const Popularity>(teaching_);
    }

    Evaluation run() && {
        if (!held_.questions.empty()) rank_by_model();
        measure_pairs();
        add_counts();
        if (wish_.baselines && !held_.questions.empty()) rank_by_baselines();
        return std::move(result_);
    }

  private:
    bool gives_probabilities() const { return wish_.positive_from && snapshot_.form().link == Link::Sigmoid; }

    /// Then lists are in the order of choice, and asked for as they are served: what a longer one begins with may differ.
    bool is_diverse() const { return wish_.diversity > 0; }

    [[noreturn]] void nothing_to_ask() const {
        if (rows_.log().rows() == 0)
            throw Error("02000", "there are no rows to evaluate on",
                        "Rows with a NULL, or a time that is not finite, do not count.");
        throw Error(
            sqlstate::kNotEnoughData, "there is nothing to ask",
            wish_.split == Split::LeaveOneOut
                ? "No user has three interactions that count. Rows of new users or sessions are asked "
                  "for with split => 'held_out'."
                : "No user has an interaction after the first in what is held out.");
    }

    /// In a table of held-out rows a user may be one of the model's; else one without a training part is unknown, but
    /// for what the model knows of users beside what they did.
    std::int32_t user_of(const Question& question) const {
        const bool features = kind_of(snapshot_.file()).needs.users;
        const bool untold = !features && held_.training[static_cast<std::size_t>(question.user)] == 0;
        return wish_.split != Split::HeldOut && untold ? -1 : rows_.model_user(question.user);
    }

    void rank_by_model() {
        const Request request{.k = wish_.ks.back() + (is_diverse() ? 0 : 1),
                              .min_score = -std::numeric_limits<float>::infinity(),
                              .diversity = wish_.diversity,
                              .exact = wish_.exact,
                              .probes = wish_.probes};
        const Poll poll = [this] { progress_("ranking", share_); };
        const Recommender recommender(snapshot_, request, poll);
        ListFigures lists(wish_.ks, popularity_->counts, snapshot_.directions(), snapshot_.form().item_bias);
        std::vector<std::int64_t> ranks;
        const std::span<const Question> questions(held_.questions);
        for (std::size_t at = 0; at < questions.size(); at += kAtOnce) {
            share_ = static_cast<double>(at) / static_cast<double>(questions.size());
            rank_some(recommender, questions.subspan(at, std::min(kAtOnce, questions.size() - at)), ranks,
                      lists);
        }
        add_ranking(result_.figures, "", ranks, wish_.ks);
        std::ranges::move(lists.figures(), std::back_inserter(result_.figures));
    }

    void rank_some(const Recommender& recommender, std::span<const Question> questions,
                   std::vector<std::int64_t>& ranks, ListFigures& lists) {
        std::vector<std::vector<std::int32_t>> clicks;
        std::vector<Place> places;
        for (const Question& question : questions) clicks.push_back(known_before(rows_, question));
        for (std::size_t i = 0; i < questions.size(); ++i)
            places.push_back({user_of(questions[i]), clicks[i]});
        const std::vector<Answer> answers = recommender.answer_next(places);
        const auto longest = static_cast<std::size_t>(wish_.ks.back()) + 1;
        for (std::size_t i = 0; i < questions.size(); ++i) {
            const std::int32_t target = target_of(rows_, questions[i]);
            ranks.push_back(is_diverse() ? place_in(answers[i].items, target)
                                         : rank_against(answers[i].items, target, longest));
            lists.add(answers[i].items);
            popular_answers_ += answers[i].source == Source::Popular;
        }
    }

    void add_counts() {
        const ToldRows told(rows_);
        double unknown = 0;
        for (const Question& question : held_.questions) {
            unknown += !rows_.knows(target_of(rows_, question));
            result_.told += told.contains(question);
        }
        result_.asked = std::ssize(held_.questions);
        const auto asked = static_cast<double>(result_.asked);
        const auto add = [&](const char* name, double value) { result_.figures.push_back({name, 0, value}); };
        add("users", static_cast<double>(users_of(held_.questions)));
        add("rows", asked);
        add("unknown_items", unknown);
        add("popular_answers", static_cast<double>(popular_answers_));
        add("seen_by_model", result_.asked > 0 ? static_cast<double>(result_.told) / asked
                                               : std::numeric_limits<double>::quiet_NaN());
    }

    // --- baselines ---

    void rank_by_baselines() {
        const Poll poll = [this] { progress_("counting for the baselines", 0); };
        rank_by(popularity_baseline(*popularity_));
        rank_by(markov_baseline(teaching_, *popularity_));
        if (const double steps = pair_steps(teaching_); steps > kMostPairSteps) {
            leave_out("item_knn and ease", "their pairs of items take " + std::to_string(steps) + " steps");
            return;
        }
        rank_by(item_knn_baseline(teaching_, *popularity_, kNeighbours, poll));
        const std::size_t bytes = ease_bytes(teaching_.items);
        if (teaching_.items > kMostEaseItems)
            leave_out("ease", "it is for at most " + std::to_string(kMostEaseItems) + " items");
        else if (bytes > wish_.most_bytes)
            leave_out("ease",
                      "it takes " + std::to_string(bytes >> 20) + " MB; maintenance_work_mem may allow that");
        else
            rank_by(ease_baseline(teaching_, *popularity_, kEaseLambda, poll));
    }

    void leave_out(const std::string& what, const std::string& why) {
        result_.left_out.push_back(what + " left out: " + why);
    }

    void rank_by(const std::unique_ptr<Baseline>& baseline) {
        Before before(teaching_.items, teaching_.keeps_repeats);
        std::vector<std::int64_t> ranks;
        for (const Question& question : held_.questions) {
            if (ranks.size() % 64 == 0)
                progress_("ranking by " + std::string(baseline->name()),
                          static_cast<double>(ranks.size()) / static_cast<double>(held_.questions.size()));
            const std::vector<std::int32_t> clicks = known_before(rows_, question);
            before.set(clicks);
            const std::int32_t target = target_of(rows_, question);
            ranks.push_back(rows_.knows(target) ? baseline->rank(before, target) : kNotRanked);
        }
        add_ranking(result_.figures, std::string(baseline->name()) + "_", ranks, wish_.ks);
    }

    // --- labels ---

    /// The probability and the outcome of each labelled row that is held out.
    void measure_pairs() {
        if (wish_.positive_from && !gives_probabilities())
            leave_out("figures of labels", "the model's scores are no probabilities");
        if (!gives_probabilities()) return;
        std::vector<ScoredPair> pairs;
        if (wish_.split == Split::HeldOut)
            for (std::int32_t user = 0; user < rows_.log().users(); ++user) add_pairs_of(user, pairs);
        else
            for (const Question& question : held_.questions) add_pair(question, query_at(question), pairs);
        const nlohmann::json metrics = pair_metrics(std::move(pairs), wish_.threshold);
        for (const auto& [name, value] : metrics.items())
            if (!value.is_array())
                result_.figures.push_back(
                    {name, 0,
                     value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN()});
    }

    Query query_at(const Question& question) const {
        const std::vector<std::int32_t> clicks = known_before(rows_, question);
        return query_after(snapshot_, {clicks, user_of(question)}, wish_.exact);
    }

    /// A user of the model is asked once, after what the model was trained with.
    void add_pairs_of(std::int32_t user, std::vector<ScoredPair>& pairs) {
        const auto length = static_cast<std::int32_t>(rows_.log().items(user).size());
        const std::int32_t known = rows_.model_user(user);
        std::optional<Query> query;
        if (known >= 0) {
            const auto seen = snapshot_.seen(known);
            const auto clicks = clicks_that_count(snapshot_, {seen.begin(), seen.end()});
            query = query_after(snapshot_, {clicks, known}, wish_.exact);
        }
        for (std::int32_t at = 0; at < length; ++at)
            add_pair({user, at}, query ? *query : query_at({user, at}), pairs);
    }

    void add_pair(const Question& question, const Query& query, std::vector<ScoredPair>& pairs) {
        progress_("scoring labelled rows", 0);
        const float label = rows_.log().labels(question.user)[static_cast<std::size_t>(question.at)];
        const std::int32_t item = target_of(rows_, question);
        if (std::isnan(label) || !rows_.knows(item)) return;
        const auto score = static_cast<double>(own_score(snapshot_, query, item));
        pairs.push_back({static_cast<float>(1 / (1 + std::exp(-score))),
                         static_cast<double>(label) >= *wish_.positive_from});
    }

    const TableRows& rows_;
    const Snapshot& snapshot_;
    const EvaluationWish& wish_;
    const Progress& progress_;
    HeldOut held_;
    Teaching teaching_;
    std::unique_ptr<const Popularity> popularity_;
    double share_ = 0;
    std::int64_t popular_answers_ = 0;
    Evaluation result_;
};

}  // namespace

TableRows::TableRows(const Snapshot& snapshot, bool labelled)
    : snapshot_(snapshot),
      log_(rules_of(snapshot), labelled),
      unknown_items_(kMostIds - snapshot.items().size()) {}

void TableRows::begin_user(const Id& user) {
    log_.begin_user();
    users_.push_back(find(snapshot_.users(), user));
}

void TableRows::row(const Id& item, double time, float label) {
    std::int32_t index = find(snapshot_.items(), item);
    if (index < 0)
        index = static_cast<std::int32_t>(snapshot_.items().size()) + unknown_items_.index_of(item);
    log_.add(index, time, label);
}

Evaluation evaluate(const TableRows& rows, const EvaluationWish& wish, const Progress& progress) {
    return Evaluator(rows, wish, progress).run();
}

}  // namespace seqrec
