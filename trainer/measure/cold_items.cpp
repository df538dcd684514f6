#include "measure/cold_items.hpp"

#include <algorithm>
#include <cmath>

#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"
#include "measure/ten_best.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

constexpr std::size_t kMost = 20000;    // questions that are ranked
constexpr std::size_t kExposed = 1000;  // questions whose ten best are looked at

/// The query of each question, [questions, width].
Tensor queries_of(const Dataset& data, const std::vector<Question>& questions, const Weights& weights) {
    Histories histories;
    std::vector<std::int32_t> users;
    for (const Question& question : questions) {
        histories.push_back(data.sequence(question.user).first(static_cast<std::size_t>(question.at)));
        users.push_back(data.asker(question));
    }
    return weights.encode(histories, users);
}

std::vector<bool> met_before(const Dataset& data, const Question& question) {
    std::vector<bool> met(static_cast<std::size_t>(data.items()));
    if (data.keeps_repeats()) return met;
    for (const std::int32_t item : data.sequence(question.user).first(static_cast<std::size_t>(question.at)))
        met[static_cast<std::size_t>(item)] = true;
    return met;
}

/// Ranks among the held-out items alone, 0 = best; ties count against. `by` [items]: the score, or null for queries.
struct AmongCold {
    std::vector<std::int64_t> model, popularity;
    double by_chance = 0;

    AmongCold(const Dataset& data, const std::vector<Question>& questions, const Tensor& scores,
              const std::vector<std::int32_t>& items, const std::vector<std::int64_t>& counts) {
        for (std::size_t q = 0; q < questions.size(); ++q) {
            const std::vector<bool> met = met_before(data, questions[q]);
            const auto target = data.sequence(questions[q].user)[static_cast<std::size_t>(questions[q].at)];
            const float* row = scores.data_ptr<float>() + static_cast<std::int64_t>(q) * scores.size(1);
            const auto place = std::lower_bound(items.begin(), items.end(), target) - items.begin();
            std::int64_t ahead = 0, more = 0, ranked = 0;
            for (std::size_t i = 0; i < items.size(); ++i) {
                if (items[i] == target || met[static_cast<std::size_t>(items[i])]) continue;
                ++ranked;
                ahead += row[i] >= row[place];
                more +=
                    counts[static_cast<std::size_t>(items[i])] >= counts[static_cast<std::size_t>(target)];
            }
            model.push_back(ahead);
            popularity.push_back(more);
            by_chance +=
                std::min(1.0, 10.0 / static_cast<double>(ranked + 1)) / static_cast<double>(questions.size());
        }
    }
};

/// The ten items that score highest, of those that the question may be answered by.
std::vector<std::int64_t> ten_best(const Dataset& data, const Question& question, const Tensor& scores) {
    const std::vector<bool> met = met_before(data, question);
    const float* score = scores.data_ptr<float>();
    TenBest best;
    for (std::int64_t i = 0; i < scores.size(0); ++i)
        if (!met[static_cast<std::size_t>(i)]) best.add(score[i], i);
    return {best.items().begin(), best.items().end()};
}

/// The same weights with the held-out items out of the way: their rows are zeros, of which no cosine can stand among the
/// ten best.
class Hidden final : public Weights {
  public:
    Hidden(const Dataset& data, const Weights& weights)
        : weights_(weights), rows_(weights.item_rows().clone()) {
        for (const std::int32_t item : data.held_out_items()) rows_[item].zero_();
    }
    Tensor item_rows() const override { return rows_; }
    Tensor user_rows() const override { return weights_.user_rows(); }
    std::vector<NamedTensor> tensors() const override { return weights_.tensors(); }
    Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override {
        return weights_.encode(histories, users);
    }

  private:
    const Weights& weights_;
    Tensor rows_;
};

/// How much of the others' NDCG@10 the held-out items cost, as a share.
double cost(const Dataset& data, const Weights& weights, const Shifts& shifts, Workers& workers,
            const std::function<void(double)>& poll) {
    const std::vector<Question> questions = thin_out(data.questions(HeldOut::Test), kMost);
    const auto ndcg = [&](const Weights& of) -> double {
        return ranking_metrics(
            rank_held_out(data, questions, HeldOut::Test, of, shifts, workers, poll).ranks)["ndcg@10"];
    };
    const double hidden = questions.empty() ? 0 : ndcg(Hidden(data, weights));
    return hidden > 0 ? 1 - ndcg(weights) / hidden : 0;
}

Tensor select(const Tensor& rows, const std::vector<std::int32_t>& items) {
    Tensor index = at::empty({static_cast<std::int64_t>(items.size())}, at::kLong);
    std::copy(items.begin(), items.end(), index.data_ptr<std::int64_t>());
    return rows.index_select(0, index);
}

}  // namespace

std::unique_ptr<const Weights> without_held_out(const Dataset& data, const Weights& weights) {
    return std::make_unique<const Hidden>(data, weights);
}

double cold_asked(const Dataset& data, HeldOut part) {
    const auto asked = static_cast<double>(data.cold_questions(part).size());
    return asked / std::max(asked + static_cast<double>(data.questions(part).size()), 1.0);
}

double cold_exposure(const Dataset& data, HeldOut part, const Weights& weights) {
    const at::NoGradGuard no_gradients;
    std::vector<Question> questions = data.questions(part);
    const std::vector<Question>& cold_ones = data.cold_questions(part);
    questions.insert(questions.end(), cold_ones.begin(), cold_ones.end());
    questions = thin_out(questions, kExposed);
    if (questions.empty()) return 0;
    const Tensor queries = queries_of(data, questions, weights), rows = weights.item_rows();
    double cold = 0, shown = 0;
    for (std::size_t q = 0; q < questions.size(); ++q)
        for (const std::int64_t item :
             ten_best(data, questions[q], rows.mv(queries[static_cast<std::int64_t>(q)]))) {
            cold += data.is_held_out(static_cast<std::int32_t>(item));
            ++shown;
        }
    return cold / std::max(shown, 1.0);
}

double cold_ndcg(const Dataset& data, HeldOut part, const Weights& weights) {
    const at::NoGradGuard no_gradients;
    const std::vector<Question> questions = thin_out(data.cold_questions(part), kMost);
    if (questions.empty()) return 0;
    const std::vector<std::int32_t> items = data.held_out_items();
    const Tensor scores =
        queries_of(data, questions, weights).mm(select(weights.item_rows(), items).t()).contiguous();
    return ranking_metrics(
        AmongCold(data, questions, scores, items, data.counts(Part::All)).model)["ndcg@10"];
}

json cold_metrics(const Dataset& data, const Weights& measured, const Shifts& shifts, Workers& workers,
                  const std::function<void(double)>& poll) {
    const at::NoGradGuard no_gradients;
    const std::vector<Question> questions = thin_out(data.cold_questions(HeldOut::Test), kMost);
    if (questions.empty()) return json::object();
    const std::vector<std::int32_t> items = data.held_out_items();
    const Tensor scores =
        queries_of(data, questions, measured).mm(select(measured.item_rows(), items).t()).contiguous();
    const AmongCold among(data, questions, scores, items, data.counts(Part::All));
    const json own = ranking_metrics(among.model), popularity = ranking_metrics(among.popularity);
    const json all = ranking_metrics(
        rank_held_out(data, questions, HeldOut::Validation, measured, {}, workers, poll).ranks);
    return {{"cold_items", items.size()},
            {"cold_questions", data.cold_questions(HeldOut::Test).size()},
            {"cold_recall@10", own["hr@10"]},
            {"cold_ndcg@10", own["ndcg@10"]},
            {"cold_all_recall@10", all["hr@10"]},
            {"cold_all_ndcg@10", all["ndcg@10"]},
            {"cold_random_recall@10", among.by_chance},
            {"cold_popularity_recall@10", popularity["hr@10"]},
            {"cold_asked", cold_asked(data, HeldOut::Test)},
            {"cold_exposure@10", cold_exposure(data, HeldOut::Test, measured)},
            {"cold_cost@10", cost(data, measured, shifts, workers, poll)}};
}

}  // namespace seqrec::trainer
