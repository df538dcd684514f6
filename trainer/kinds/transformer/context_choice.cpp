#include "kinds/transformer/context_choice.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "measure/evaluation.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr std::size_t kTooFew = 300;         // questions that tell nothing
constexpr double kClearly = 2, kHardly = 1;  // standard errors

using Gains = std::vector<double>;  // NDCG@10 of each question

Gains gains_of(const Run& run, HeldOut part, const Weights& weights) {
    const at::NoGradGuard no_gradients;
    const auto poll = [&](double share) {
        run.reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    };
    const std::vector<Question> questions = few_questions(run.data, part);
    const Shifts shifts =
        fit_shifts(run.data, few_questions(run.data, HeldOut::Validation), weights, run.workers, poll);
    Gains gains;
    // As validation, for the ten best of everybody are not wanted here.
    for (const std::int64_t rank :
         rank_held_out(run.data, questions, HeldOut::Validation, weights, shifts, run.workers, poll).ranks)
        gains.push_back(rank < 10 ? 1 / std::log2(static_cast<double>(rank) + 2) : 0);
    return gains;
}

double mean(const Gains& gains) {
    double sum = 0;
    for (const double gain : gains) sum += gain;
    return sum / static_cast<double>(std::max<std::size_t>(gains.size(), 1));
}

/// Whether a ranks better than b by more than so many standard errors of their difference; equal is not better.
bool is_better(const Gains& a, const Gains& b, double errors) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        sum += a[i] - b[i];
        squares += (a[i] - b[i]) * (a[i] - b[i]);
    }
    const auto count = static_cast<double>(a.size());
    const double variance = std::max(0.0, squares / count - sum * sum / count / count);
    return sum / count > errors * std::sqrt(variance / std::max(1.0, count - 1));
}

[[noreturn]] void refuse(const std::string& wish, const char* what, const char* hint) {
    throw Error(sqlstate::kInvalidParameter, "option \"context_use\" is \"" + wish + "\", and " + what, hint);
}

ContextUse as_wished(const std::string& wish, const ContextUse& offered) {
    const ContextUse use = use_named(wish);
    if (use.time && !offered.time)
        refuse(wish, "the times of the ratings are not those of a clock",
               "Times are dates, timestamps or seconds since 1970, of the years 1973 to 2100.");
    if (use.columns && !offered.columns)
        refuse(wish, "no column of context tells one interaction from another",
               R"(List columns of the ratings, as in {"context": ["device"]}.)");
    return use;
}

/// The parts that to say ranks clearly better than not to say them.
ContextUse telling(const Run& run, const TransformerWeights& weights, const Moments& moments,
                   const Gains& plain) {
    const auto helps = [&](ContextUse said) {
        return is_better(gains_of(run, HeldOut::Validation, InformedWeights(weights, moments, said)), plain,
                         kClearly);
    };
    const ContextUse offered = moments.use();
    return {offered.time && helps({true, false}), offered.columns && helps({false, true})};
}

ContextChoice choose(const Run& run, const ContextUse& offered, const TrainShortly& train) {
    ContextChoice choice;
    const Moments moments(run.data, offered);
    const ShortTraining with = train(moments, kShortEpochs);
    const TransformerWeights weights({with.best});
    const Gains plain = gains_of(run, HeldOut::Validation, weights);
    choice.use = telling(run, weights, moments, plain);
    json told = {{"plain", mean(plain)}, {"epochs", with.epochs}, {"offered", offered.name()}};
    const ContextUse said = choice.use.any() ? choice.use : offered;
    const Gains informed = gains_of(run, HeldOut::Validation, InformedWeights(weights, moments, said));
    told["with"] = mean(informed);
    if (choice.use.any()) {
        // As many epochs, however long they take now: what else the machine does must not decide.
        const ShortTraining without = train({}, with.epochs);
        const Gains ignorant = gains_of(run, HeldOut::Validation, TransformerWeights({without.best}));
        told["without"] = mean(ignorant);
        if (!is_better(informed, ignorant, kClearly) || is_better(ignorant, plain, kHardly)) choice.use = {};
    }
    choice.metrics["context_ndcg@10"] = told;
    return choice;
}

}  // namespace

ContextChoice choose_context(const Run& run, const std::string& wish, const TrainShortly& train) {
    const ContextUse offered = context_of(run.data);
    if (wish != "auto") return {as_wished(wish, offered)};
    if (!offered.any() || run.data.questions(HeldOut::Validation).size() < kTooFew) return {};
    return choose(run, offered, train);
}

json context_test(const Run& run, const TransformerWeights& weights, const Moments& moments) {
    const auto ndcg = [&](const Weights& of) { return mean(gains_of(run, HeldOut::Test, of)); };
    return {{"plain", ndcg(weights)},
            {"with", ndcg(InformedWeights(weights, moments, moments.use()))},
            {"with_clicks", ndcg(InformedWeights(weights, moments, moments.use(), true))}};
}

}  // namespace seqrec::trainer
