#include "kinds/p5/probability.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/measure/pair_metrics.hpp"
#include "kinds/shared/numbers.hpp"
#include "measure/evaluation.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::size_t kQuestions = 2000;    // that are fitted on at most
constexpr std::int64_t kPairs = 4'000'000;  // of all questions
constexpr double kPenalty = 1;              // half of it on the square of each of the offset's slopes
constexpr int kRounds = 25;
constexpr std::size_t kFew = 100;  // questions that tell too little
constexpr double kNoScale = 0.01;  // keeps the order and says nothing
constexpr std::size_t kTop = 10;
constexpr std::size_t kMeasured = 500;  // questions at most

/// Cosines of one question: first that of the item that came, then those of others, each of which stands for `weight`.
struct Candidates {
    std::vector<float> cosines;
    double weight = 1;
};

/// The questions, their queries and the cosines of their candidates.
struct Evidence {
    Tensor queries, along;  // [questions, dim]; 1 and the query, doubles
    std::vector<Candidates> of;

    Evidence(const Dataset& data, const std::vector<Question>& questions, const P5Weights& weights,
             std::uint64_t seed, Workers& workers) {
        Histories histories;
        std::vector<std::int32_t> users;
        for (const Question& question : questions) {
            histories.push_back(data.sequence(question.user).first(static_cast<std::size_t>(question.at)));
            users.push_back(data.asker(question));
        }
        const auto count = static_cast<std::int64_t>(questions.size());
        queries = at::empty({count, weights.state().network.dim()});
        const Tensor rows = unit_rows(weights.state().network.item.detach());
        of.resize(questions.size());
        const std::int64_t each = std::max<std::int64_t>(2, kPairs / std::max<std::int64_t>(count, 1));
        workers.split(count, [&](std::int64_t begin, std::int64_t end) {
            if (begin == end) return;
            const auto b = static_cast<std::ptrdiff_t>(begin), e = static_cast<std::ptrdiff_t>(end);
            const Tensor some = weights.encode({histories.begin() + b, histories.begin() + e},
                                               {users.begin() + b, users.begin() + e});
            queries.narrow(0, begin, end - begin).copy_(some);
            for (std::int64_t q = begin; q < end; ++q)
                collect(data, questions[static_cast<std::size_t>(q)], rows,
                        queries.data_ptr<float>() + q * rows.size(1), each,
                        seed + static_cast<std::uint64_t>(q), of[static_cast<std::size_t>(q)]);
        });
        along = at::cat({at::ones({count, 1}), queries}, 1).to(at::kDouble);
    }

    /// What the softmax divides by, in the mean of the questions: with it the chances of one add up to about 1, which is where
    /// Newton's method finds its way from.
    double mean_log_sum(double scale) const {
        double mean = 0;
        for (const Candidates& candidates : of) {
            const auto most = static_cast<double>(*std::ranges::max_element(candidates.cosines));
            double sum = 0;
            for (std::size_t i = 0; i < candidates.cosines.size(); ++i)
                sum += (i == 0 ? 1 : candidates.weight) *
                       std::exp(scale * (static_cast<double>(candidates.cosines[i]) - most));
            mean += (scale * most + std::log(sum)) / static_cast<double>(of.size());
        }
        return mean;
    }

  private:
    /// Items that the user has had are none that could come, where repeats don't count.
    static void collect(const Dataset& data, const Question& question, const Tensor& rows, const float* query,
                        std::int64_t each, std::uint64_t seed, Candidates& to) {
        const auto sequence = data.sequence(question.user);
        const std::int32_t came = sequence[static_cast<std::size_t>(question.at)];
        std::vector<std::int32_t> out(sequence.begin(), sequence.begin() + question.at);
        if (data.keeps_repeats()) out.clear();
        out.push_back(came);
        std::ranges::sort(out);
        const std::int64_t dim = rows.size(1), items = rows.size(0);
        const auto cosine = [&](std::int64_t item) {
            return kernels::table().dot(query, rows.data_ptr<float>() + item * dim, dim);
        };
        const auto can_come = [&](std::int64_t item) {
            return !std::ranges::binary_search(out, static_cast<std::int32_t>(item)) &&
                   !data.is_held_out(static_cast<std::int32_t>(item));
        };
        to.cosines.push_back(cosine(came));
        if (items <= each) {
            for (std::int64_t item = 0; item < items; ++item)
                if (can_come(item)) to.cosines.push_back(cosine(item));
            return;
        }
        Random random(seed);
        for (std::int64_t i = 1; i < each; ++i)
            if (const auto item = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(items)));
                can_come(item))
                to.cosines.push_back(cosine(item));
        to.weight = static_cast<double>(items) / static_cast<double>(each - 1);
    }
};

/// The scale, the offset's constant and its slopes in the query: [2 + dim].
using Parameters = Tensor;

/// Value, gradient and curvature of the penalised log loss of all pairs. All pairs of a question share its offset, so that
/// its query enters once for all of them.
struct Loss {
    double value = 0;
    Tensor gradient, curvature;

    Loss(const Evidence& evidence, const Parameters& at) {
        const std::int64_t questions = evidence.along.size(0), size = at.numel();
        const Tensor offsets = evidence.along.mv(at.narrow(0, 1, size - 1)).contiguous();
        Tensor sums = at::zeros({5, questions}, at::kDouble);
        for (std::int64_t q = 0; q < questions; ++q)
            add(evidence.of[static_cast<std::size_t>(q)], at[0].item<double>(), offsets.data_ptr<double>()[q],
                sums.data_ptr<double>() + q, questions);
        const Tensor along = evidence.along.t(), crossed = along.mv(sums[3]);
        gradient = at::cat({sums[1].sum().unsqueeze(0), along.mv(sums[0])});
        curvature = at::zeros({size, size}, at::kDouble);
        curvature[0][0] = sums[4].sum();
        curvature[0].narrow(0, 1, size - 1).copy_(crossed);
        curvature.select(1, 0).narrow(0, 1, size - 1).copy_(crossed);
        curvature.narrow(0, 1, size - 1).narrow(1, 1, size - 1).copy_((along * sums[2]).mm(evidence.along));
        const Tensor slopes = at.narrow(0, 2, size - 2);
        value += kPenalty / 2 * slopes.square().sum().item<double>();
        gradient.narrow(0, 2, size - 2) += kPenalty * slopes;
        curvature.diagonal().narrow(0, 2, size - 2) += kPenalty;
    }

  private:
    /// Of a question's pairs the sums of errors, of errors times cosines, and of curvatures times cosines to the powers
    /// 0 to 2, `stride` apart.
    void add(const Candidates& candidates, double scale, double offset, double* sums, std::int64_t stride) {
        for (std::size_t i = 0; i < candidates.cosines.size(); ++i) {
            const auto x = static_cast<double>(candidates.cosines[i]);
            const double weight = i == 0 ? 1 : candidates.weight, logit = scale * x + offset;
            const double p = sigmoid(logit), error = weight * (p - (i == 0 ? 1 : 0)),
                         bend = weight * p * (1 - p);
            value += weight * softplus(i == 0 ? -logit : logit);
            sums[0] += error;
            sums[stride] += error * x;
            sums[2 * stride] += bend;
            sums[3 * stride] += bend * x;
            sums[4 * stride] += bend * x * x;
        }
    }
};

/// Newton's method; the loss is convex.
Parameters minimised(const Evidence& evidence, Parameters at) {
    for (int round = 0; round < kRounds; ++round) {
        const Loss here(evidence, at);
        const Tensor size = here.curvature + 1e-9 * at::eye(at.numel(), at::kDouble);
        const Tensor step =
            at::cholesky_solve(here.gradient.unsqueeze(1), at::linalg_cholesky(size)).squeeze(1);
        double length = 1;
        for (; length > 1e-6; length /= 2)
            if (Loss(evidence, at - length * step).value < here.value) break;
        if (length <= 1e-6) break;
        at = at - length * step;
        if (here.gradient.dot(step).item<double>() < 1e-9 * here.value) break;
    }
    return at;
}

/// The latest item of each user, whether it was trained on or not.
std::vector<Question> latest_of(const Dataset& data) {
    std::vector<Question> latest;
    for (std::int64_t u = 0; u < data.users(); ++u)
        if (const auto size = static_cast<std::int32_t>(data.sequence(u).size()); size > 0)
            latest.push_back({static_cast<std::int32_t>(u), size - 1});
    return latest;
}

}  // namespace

FittedProbability fit_probability(const Dataset& data, const std::vector<Question>& questions,
                                  const P5Weights& weights, std::uint64_t seed, Workers& workers) {
    const at::NoGradGuard no_gradients;
    const double scale = weights.probability().scale;
    const auto chances_of = [&](double scale, const Evidence& evidence) {
        std::vector<float> offset(static_cast<std::size_t>(weights.state().network.dim()) + 1);
        offset.back() = static_cast<float>(-evidence.mean_log_sum(scale));
        return Probability{scale, std::move(offset)};
    };
    if (questions.size() < kFew) {
        const std::vector<Question> latest = thin_out(latest_of(data), kQuestions);
        if (latest.empty()) return {weights.probability(), {}};
        return {chances_of(scale, Evidence(data, latest, weights, seed, workers)),
                "too few items are held out to calibrate probabilities with: they are those of the "
                "training's softmax, "
                "which was told the items"};
    }
    const Evidence evidence(data, thin_out(questions, kQuestions), weights, seed, workers);
    const std::int64_t dim = weights.state().network.dim();
    Tensor at = at::zeros({2 + dim}, at::kDouble);
    at[0] = scale;
    at[1] = -evidence.mean_log_sum(scale);
    at = minimised(evidence, at);
    const double* numbers = at.data_ptr<double>();
    if (!(numbers[0] > 0))
        return {chances_of(kNoScale, evidence),
                "held-out items rank no better than by chance: all items get about the same probability"};
    std::vector<float> offset;
    for (std::int64_t d = 0; d < dim; ++d) offset.push_back(static_cast<float>(numbers[2 + d]));
    offset.push_back(static_cast<float>(numbers[1]));
    return {{numbers[0], std::move(offset)}, {}};
}

namespace {

/// What was said of every pair of some questions, question after question, the item that came first.
struct Told {
    std::vector<ScoredPair> pairs;
    double said = 0, came = 0, best = 0;  // of the ten best of each

    Told(const Evidence& evidence, const Probability& probability) {
        const std::int64_t dim = evidence.queries.size(1);
        for (std::size_t q = 0; q < evidence.of.size(); ++q) {
            const float* query = evidence.queries.data_ptr<float>() + static_cast<std::int64_t>(q) * dim;
            const float offset =
                std::inner_product(query, query + dim, probability.offset.begin(), probability.offset.back());
            const std::size_t first = pairs.size();
            for (const float cosine : evidence.of[q].cosines) {
                const double logit =
                    probability.scale * static_cast<double>(cosine) + static_cast<double>(offset);
                pairs.push_back({static_cast<float>(sigmoid(logit)), pairs.size() == first});
            }
            if (evidence.of[q].weight == 1)
                count_best({pairs.begin() + static_cast<std::ptrdiff_t>(first), pairs.end()});
        }
    }

  private:
    void count_best(std::vector<ScoredPair> own) {
        const std::size_t top = std::min(kTop, own.size());
        std::partial_sort(
            own.begin(), own.begin() + static_cast<std::ptrdiff_t>(top), own.end(),
            [](const ScoredPair& a, const ScoredPair& b) { return a.probability > b.probability; });
        for (const ScoredPair& pair : std::span(own).first(top)) {
            said += static_cast<double>(pair.probability);
            came += pair.positive ? 1 : 0;
            best += 1;
        }
    }
};

}  // namespace

nlohmann::json measure_probability(const Dataset& data, const P5Weights& weights, std::uint64_t seed,
                                   Workers& workers) {
    const at::NoGradGuard no_gradients;
    const auto told = [&](HeldOut which) {
        return Told(Evidence(data, thin_out(data.questions(which), kMeasured), weights, seed, workers),
                    weights.probability());
    };
    Told test = told(HeldOut::Test);
    nlohmann::json metrics =
        pair_metrics(std::move(test.pairs), best_threshold(told(HeldOut::Validation).pairs));
    const bool any = test.best > 0;
    metrics["top10_probability"] = any ? nlohmann::json(test.said / test.best) : nlohmann::json();
    metrics["top10_share"] = any ? nlohmann::json(test.came / test.best) : nlohmann::json();
    return metrics;
}

}  // namespace seqrec::trainer
