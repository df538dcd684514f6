#include "kinds/shared/cold_shift.hpp"

#include <algorithm>
#include <cmath>

#include "measure/evaluation.hpp"
#include "measure/repeats.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kShares[] = {0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5};
constexpr std::size_t kFew = 20;          // questions that tell nothing
constexpr double kUsual = 0.05;           // where nothing is told: what was chosen on most data
constexpr double kPaid = 0.995;           // of the best NDCG@10: what new items may cost the others
constexpr std::size_t kAsked = 4000;      // questions of either sort that a share is judged by
constexpr std::size_t kAskedMean = 2000;  // users whose queries are averaged

double ndcg_sum(const std::vector<std::int64_t>& ranks) {
    double sum = 0;
    for (const std::int64_t rank : ranks)
        if (rank < 10) sum += 1 / std::log2(static_cast<double>(rank) + 2);
    return sum;
}

/// Some of the questions, and how many each stands for.
struct Sample {
    std::vector<Question> questions;
    double weight;

    explicit Sample(const std::vector<Question>& all)
        : questions(thin_out(all, kAsked)),
          weight(static_cast<double>(all.size()) / static_cast<double>(questions.size())) {}
};

}  // namespace

Tensor mean_query(const Dataset& data, const Weights& weights) {
    Histories histories;
    std::vector<std::int32_t> users;
    for (const Question& question : thin_out(data.questions(HeldOut::Validation), kAskedMean)) {
        histories.push_back(data.sequence(question.user).first(static_cast<std::size_t>(question.at)));
        users.push_back(data.asker(question));
    }
    if (users.empty()) return at::zeros({weights.item_rows().size(1)});
    return weights.encode(histories, users).mean(0);
}

Tensor stand_in(const Tensor& mean_query, const Tensor& said, double share) {
    const double length = said.norm(2, 1).mean().item<double>();
    return mean_query / mean_query.norm().clamp_min(1e-12) * (share * length);
}

double choose_cold_shift(const Dataset& data, const Shifted& shifted, Workers& workers,
                         const std::function<void(double)>& poll) {
    if (data.cold_questions(HeldOut::Validation).size() < kFew ||
        data.questions(HeldOut::Validation).size() < kFew)
        return kUsual;
    const Sample cold(data.cold_questions(HeldOut::Validation)), warm(data.questions(HeldOut::Validation));
    const Shifts shifts = fit_shifts(data, warm.questions, *shifted(0), workers, poll);
    std::vector<double> sums;
    for (const double share : kShares) {
        const auto weights = shifted(share);
        const auto gained = [&](const Sample& sample) {
            return sample.weight * ndcg_sum(rank_held_out(data, sample.questions, HeldOut::Validation,
                                                          *weights, shifts, workers, poll)
                                                .ranks);
        };
        sums.push_back(gained(warm) + gained(cold));
    }
    std::size_t chosen = sums.size() - 1;
    while (sums[chosen] < kPaid * *std::ranges::max_element(sums)) --chosen;
    return kShares[chosen];
}

}  // namespace seqrec::trainer
