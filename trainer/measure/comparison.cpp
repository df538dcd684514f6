#include "measure/comparison.hpp"

#include <cmath>

#include "kinds/trainer_kind.hpp"
#include "measure/evaluation.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr float kLast = -1e30f;  // below every score

/// The active version in the dataset's indexes. One column more puts items that it does not know last.
class Matched final : public Weights {
  public:
    Matched(std::unique_ptr<const Weights> weights, const EarlierModel& active)
        : weights_(std::move(weights)), active_(active) {}

    Tensor item_rows() const override {
        const at::NoGradGuard no_gradients;
        const Tensor theirs = weights_->item_rows();
        Tensor rows = at::zeros({static_cast<std::int64_t>(active_.items.size()), theirs.size(1)});
        take_rows(rows, theirs.contiguous(), active_.items);
        Tensor unknown = at::zeros({rows.size(0), 1});
        for (std::size_t i = 0; i < active_.items.size(); ++i)
            if (active_.items[i] < 0) unknown.data_ptr<float>()[i] = kLast;
        return at::cat({rows, unknown}, 1);
    }

    Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override {
        std::vector<std::vector<std::int32_t>> known;
        std::vector<std::int32_t> their_users;
        for (const auto& history : histories) known.push_back(known_items(history));
        for (const std::int32_t user : users)
            their_users.push_back(user < 0 ? -1 : active_.users[static_cast<std::size_t>(user)]);
        const Tensor queries = weights_->encode({known.begin(), known.end()}, their_users);
        return at::cat({queries, at::ones({queries.size(0), 1})}, 1);
    }

    Tensor user_rows() const override { return weights_->user_rows(); }
    std::vector<NamedTensor> tensors() const override { return weights_->tensors(); }

  private:
    std::vector<std::int32_t> known_items(std::span<const std::int32_t> history) const {
        std::vector<std::int32_t> items;
        for (const std::int32_t item : history)
            if (const std::int32_t theirs = active_.items[static_cast<std::size_t>(item)]; theirs >= 0)
                items.push_back(theirs);
        return items;
    }

    std::unique_ptr<const Weights> weights_;
    const EarlierModel& active_;
};

constexpr std::size_t kEnough = 30;  // rows, to tell a difference by

/// The questions about what the active version has not been told; where those are too few, all of them, which favours it.
std::vector<Question> news(const Dataset& data, const EarlierModel& active) {
    const std::vector<std::int32_t> known = data.known_until(active.seen_until);
    std::vector<Question> questions;
    for (const Question& question : data.questions(HeldOut::Test))
        if (question.at >= known[static_cast<std::size_t>(question.user)]) questions.push_back(question);
    return questions.size() >= kEnough ? questions : data.questions(HeldOut::Test);
}

/// What the active version's repeats gain or lose.
Shifts shifts_of(const EarlierModel& active) {
    const auto config = nlohmann::json::parse(active.file.meta("config"));
    return config.value("repeat_shifts", Shifts{});
}

/// NDCG@10 of one row.
double ndcg_of(std::int64_t rank) { return rank < 10 ? 1 / std::log2(static_cast<double>(rank) + 2) : 0; }

}  // namespace

nlohmann::json compare_with_active(const Dataset& data, const EarlierModel& active, const Weights& ours,
                                   const Shifts& shifts, std::size_t limit, Workers& workers,
                                   const std::function<void(double)>& poll) {
    const std::vector<Question> questions = thin_out(news(data, active), limit);
    if (questions.empty()) return {{"compared_rows", 0}};
    const Matched theirs(read_weights(active.file), active);
    const auto mine = rank_held_out(data, questions, HeldOut::Validation, ours, shifts, workers, poll).ranks;
    const auto other =
        rank_held_out(data, questions, HeldOut::Validation, theirs, shifts_of(active), workers, poll).ranks;
    double sum = 0, squares = 0, active_sum = 0;
    for (std::size_t i = 0; i < mine.size(); ++i) {
        const double difference = ndcg_of(mine[i]) - ndcg_of(other[i]);
        sum += difference;
        squares += difference * difference;
        active_sum += ndcg_of(other[i]);
    }
    const auto count = static_cast<double>(mine.size());
    const double mean = sum / count;
    const double variance = std::max(0.0, squares / count - mean * mean);
    return {{"compared_rows", mine.size()},
            {"active_ndcg@10", active_sum / count},
            {"ndcg@10_difference", mean},
            {"ndcg@10_standard_error", std::sqrt(variance / std::max(1.0, count - 1))}};
}

}  // namespace seqrec::trainer
