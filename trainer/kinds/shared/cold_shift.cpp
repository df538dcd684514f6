#include "kinds/shared/cold_shift.hpp"

#include <algorithm>
#include <cmath>

#include "kinds/shared/choices.hpp"
#include "measure/cold_items.hpp"
#include "measure/evaluation.hpp"
#include "measure/repeats.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kShares[] = {-0.1, -0.05, 0, 0.02, 0.05, 0.1, 0.2, 0.5};
constexpr int kHalvings = 4;              // between the last of them that is good and the first that is not
constexpr std::size_t kFew = 20;          // questions that tell nothing
constexpr double kUsual = 0.05;           // where nothing is told: what was chosen on most data
constexpr double kPaid = 0.01;            // of the others' NDCG@10: what new items may cost them
constexpr double kUnseen = 0.5;           // of its standard error: what nobody could tell
constexpr std::size_t kAsked = 4000;      // questions that a share is judged by
constexpr std::size_t kAskedMean = 2000;  // users whose queries are averaged

/// A mean over some of `all` questions, and what its standard error over all of them would be.
struct Mean {
    double mean, error;
};

Mean mean_ndcg(const std::vector<std::int64_t>& ranks, std::size_t all) {
    double sum = 0, squares = 0;
    for (const std::int64_t rank : ranks) {
        const double gained = rank < 10 ? 1 / std::log2(static_cast<double>(rank) + 2) : 0;
        sum += gained;
        squares += gained * gained;
    }
    const auto n = static_cast<double>(ranks.size());
    const double variance = std::max(squares / n - sum / n * sum / n, 0.0);
    return {sum / n, std::sqrt(variance / static_cast<double>(all))};
}

/// The largest share that is good, where smaller ones are; the smallest one where none is.
double largest(const std::function<bool(double)>& is_good) {
    const auto* bad = std::ranges::find_if_not(kShares, is_good);
    if (bad == std::begin(kShares)) return *bad;
    double good = bad[-1];
    if (bad == std::end(kShares)) return good;
    for (double width = *bad - good; width > (*bad - bad[-1]) / (1 << kHalvings);)
        if (is_good(good + (width /= 2))) good += width;
    return std::round(good * 1e4) / 1e4;
}

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
    constexpr HeldOut kPart = HeldOut::Validation;
    const std::vector<Question> questions = thin_out(data.questions(kPart), kAsked);
    if (questions.size() < kFew) return kUsual;
    const bool few = data.cold_questions(kPart).size() < kFew;
    const auto base = shifted(0);
    const Shifts shifts = fit_shifts(data, questions, *base, workers, poll);
    const auto ndcg = [&](const Weights& weights) {
        return mean_ndcg(rank_held_out(data, questions, kPart, weights, shifts, workers, poll).ranks,
                         data.questions(kPart).size());
    };
    const Mean alone = ndcg(*without_held_out(data, *base));
    const double asked = cold_asked(data, kPart),
                 least = alone.mean - std::max(kPaid * alone.mean, kUnseen * alone.error);
    return largest([&](double share) {
        const auto weights = shifted(share);
        if (few ? share > kUsual : cold_exposure(data, kPart, *weights) > asked) return false;
        return ndcg(*weights).mean >= least;
    });
}

double settle_cold_shift(const Run& run, double option, const Shifted& shifted) {
    if (option != kOpenShift) return option;
    return choose_cold_shift(run.data, shifted, run.workers, [&](double share) {
        run.reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    });
}

}  // namespace seqrec::trainer
