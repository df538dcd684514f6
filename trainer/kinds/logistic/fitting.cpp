#include "kinds/logistic/fitting.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/measure/pair_metrics.hpp"
#include "kinds/logistic/lbfgs.hpp"
#include "kinds/shared/numbers.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr int kRounds = 8, kRoundIterations = 15, kLastIterations = 60, kRefitIterations = 30;
constexpr double kRoundTolerance = 1e-5, kLastTolerance = 1e-6;
constexpr double kFirstPenalty = 5, kLeastPenalty = 1e-2, kMostPenalty = 1e5;
constexpr double kLeastSlope = 0.01;
constexpr double kShiftPrior = 100, kSlopePrior = 10;  // precisions
constexpr double kInterceptPenalty = 1e-3;  // so that it is found at all where all outcomes are the same

bool has_both(const std::vector<PairOutcome>& outcomes) {
    const auto positives = std::ranges::count_if(outcomes, &PairOutcome::positive);
    return positives > 0 && positives < static_cast<std::ptrdiff_t>(outcomes.size());
}

}  // namespace

namespace {

/// Loss of a calibration, with a prior for none: a few hundred pairs say less about a shift than the model's own
/// intercept does. And its derivatives.
struct CalibrationLoss {
    double value, g0, g1, h00, h01, h11;

    CalibrationLoss(const Calibration& c, const std::vector<PairOutcome>& outcomes)
        : value(0.5 * (kShiftPrior * c.shift * c.shift + kSlopePrior * (c.slope - 1) * (c.slope - 1))),
          g0(kShiftPrior * c.shift),
          g1(kSlopePrior * (c.slope - 1)),
          h00(kShiftPrior),
          h01(0),
          h11(kSlopePrior) {
        for (const auto& [logit, weight, positive] : outcomes) {
            const double z = logit, s = c.slope * z + c.shift, p = sigmoid(s), w = weight;
            value += w * softplus(positive ? -s : s);
            g0 += w * (p - positive);
            g1 += w * (p - positive) * z;
            h00 += w * p * (1 - p);
            h01 += w * p * (1 - p) * z;
            h11 += w * p * (1 - p) * z * z;
        }
    }
};

/// A higher score must not mean less: where it does on what was held out, hardly anything of it is left.
Calibration with_least_slope(const std::vector<PairOutcome>& outcomes) {
    Calibration c{kLeastSlope, 0};
    for (int i = 0; i < 50; ++i) {
        const CalibrationLoss at(c, outcomes);
        c.shift -= std::clamp(at.g0 / at.h00, -1.0, 1.0);
    }
    return c;
}

}  // namespace

/// Newton's method in two variables; a step is halved until it gains, or logits that say all or nothing would throw it
/// anywhere.
Calibration calibrate(const std::vector<PairOutcome>& outcomes) {
    if (!has_both(outcomes)) return {};
    Calibration c;
    for (int i = 0; i < 50; ++i) {
        const CalibrationLoss at(c, outcomes);
        const double determinant = at.h00 * at.h11 - at.h01 * at.h01;
        const double shift = (at.h11 * at.g0 - at.h01 * at.g1) / determinant;
        const double slope = (at.h00 * at.g1 - at.h01 * at.g0) / determinant;
        double length = 1;
        Calibration next = c;
        for (; length > 1e-6; length /= 2) {
            next = {c.slope - length * slope, c.shift - length * shift};
            if (CalibrationLoss(next, outcomes).value < at.value) break;
        }
        if (length <= 1e-6) break;
        c = next;
    }
    return c.slope >= kLeastSlope ? c : with_least_slope(outcomes);
}

Fitting::Fitting(const Dataset& data, const Design& design, const Passes& passes, const json& options,
                 Reporter& reporter, std::string checkpoint)
    : data_(data),
      design_(design),
      passes_(passes),
      options_(options),
      reporter_(reporter),
      checkpoint_(std::move(checkpoint), data.job()),
      coefficients_(static_cast<std::size_t>(design.layout().total())),
      penalties_(design.groups().size(),
                 options.at("l2").is_number() ? options.at("l2").get<double>() : kFirstPenalty),
      rounds_(options.at("l2").is_number()       ? 1
              : options.at("epochs").is_number() ? options.at("epochs").get<int>()
                                                 : kRounds) {
    penalties_[Design::kIntercept] = kInterceptPenalty;
}

float Fitting::penalty_of(std::size_t coefficient) const {
    return static_cast<float>(penalties_[design_.group_of()[coefficient]]);
}

double Fitting::penalised(Pairs pairs, std::span<const float> at, std::span<float> gradient) {
    const Clock::time_point begin = Clock::now();
    double value = passes_.gradient(pairs, at, gradient);
    pass_seconds_ += std::chrono::duration<double>(Clock::now() - begin).count();
    ++evaluations_;
    loss_ = value;
    for (std::size_t i = 0; i < at.size(); ++i) {
        if (design_.group_of()[i] == Design::kOff) {
            gradient[i] = 0;
            continue;
        }
        const float penalty = penalty_of(i);
        value += 0.5 * static_cast<double>(penalty) * static_cast<double>(at[i]) * static_cast<double>(at[i]);
        gradient[i] += penalty * at[i];
    }
    return value;
}

std::vector<float> Fitting::inverse(const std::vector<float>& curvature) const {
    std::vector<float> inverse(curvature.size());
    for (std::size_t i = 0; i < inverse.size(); ++i)
        if (design_.group_of()[i] != Design::kOff) inverse[i] = 1 / (curvature[i] + penalty_of(i) + 1e-9f);
    return inverse;
}

void Fitting::choose_penalties(const std::vector<float>& curvature) {
    std::vector<double> squares(penalties_.size()), determined(penalties_.size());
    const std::vector<float> variances = inverse(curvature);
    for (std::size_t i = 0; i < coefficients_.size(); ++i) {
        const std::uint16_t group = design_.group_of()[i];
        if (group == Design::kOff) continue;
        const double w = coefficients_[i];
        squares[group] += w * w;
        determined[group] += static_cast<double>(curvature[i] * variances[i]);
    }
    for (std::size_t g = 0; g < penalties_.size(); ++g)
        if (g != Design::kIntercept)
            penalties_[g] =
                std::clamp(determined[g] / std::max(squares[g], 1e-12), kLeastPenalty, kMostPenalty);
}

void Fitting::round(Pairs pairs, int iterations, double tolerance) {
    const std::vector<float> guess = inverse(passes_.curvature(pairs, coefficients_));
    const auto objective = [&](std::span<const float> at, std::span<float> gradient) {
        return penalised(pairs, at, gradient);
    };
    minimise(objective, guess, coefficients_, {iterations, tolerance, [&] { return is_over(); }});
}

bool Fitting::is_over() const {
    const json& most = options_.at("max_seconds");
    return most.is_number() && seconds() >= most.get<double>();
}

void Fitting::fit() {
    go_on();
    pairs_ = static_cast<std::int64_t>(passes_.outcomes({Of::Training}, coefficients_).size());
    for (; round_ < rounds_ && (round_ == 0 || !is_over()); ++round_) {
        const bool last = round_ + 1 == rounds_;
        round({Of::Training}, last ? kLastIterations : kRoundIterations,
              last ? kLastTolerance : kRoundTolerance);
        if (!last) choose_penalties(passes_.curvature({Of::Training}, coefficients_));
        report_round();
        keep();
    }
    if (round_ < rounds_)
        reporter_.warning("the time ran out after " + std::to_string(round_) + " of " +
                          std::to_string(rounds_) + " rounds; max_seconds gives it more");
}

void Fitting::fit_all() { round({Of::All}, kRefitIterations, kLastTolerance); }

std::vector<PairOutcome> Fitting::out_of_fold() {
    std::vector<PairOutcome> outcomes;
    const std::vector<float> whole = coefficients_;
    for (int fold = 0; fold < kFolds; ++fold) {
        round({Of::Training, Pairs::Fold::Outside, fold}, kRefitIterations, kLastTolerance);
        const auto told = passes_.outcomes({Of::Training, Pairs::Fold::Inside, fold}, coefficients_);
        outcomes.insert(outcomes.end(), told.begin(), told.end());
        coefficients_ = whole;
    }
    return outcomes;
}

std::vector<float> Fitting::errors(Pairs pairs) const {
    std::vector<float> errors = inverse(passes_.curvature(pairs, coefficients_));
    for (float& x : errors) x = std::sqrt(x);
    return errors;
}

void Fitting::report_round() {
    const std::vector<PairOutcome> outcomes = passes_.outcomes({Of::Validation}, coefficients_);
    std::vector<ScoredPair> pairs;
    for (const PairOutcome& outcome : outcomes)
        pairs.push_back({static_cast<float>(sigmoid(static_cast<double>(outcome.logit))), outcome.positive});
    const json measured = pair_metrics(std::move(pairs), 0.5f);
    const double mean = loss_ / std::max<double>(1, static_cast<double>(pairs_));
    reporter_.event("epoch", {{"epoch", round_ + 1},
                              {"step", evaluations_},
                              {"loss", mean},
                              {"metrics", {{"auc", measured["auc"]}, {"log_loss", measured["log_loss"]}}},
                              {"seconds", seconds()}});
    const double done = (round_ + 1.0) / rounds_;
    reporter_.progress({{"phase", "training"},
                        {"percent", 100 * done},
                        {"epoch", round_ + 1},
                        {"step", evaluations_},
                        {"loss", mean},
                        {"labels_per_s", metrics()["labels_per_s"]},
                        {"eta_seconds", seconds() * (1 - done) / done}});
}

/// What a stored state must agree with.
json Fitting::settings() const {
    json settings = options_;
    settings.erase("max_seconds");
    settings["coefficients"] = coefficients_.size();
    return settings;
}

void Fitting::keep() {
    if (!checkpoint_.is_due()) return;
    const auto copy = [](const auto& values, at::ScalarType type) {
        at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, type);
        std::memcpy(tensor.data_ptr(), values.data(), tensor.nbytes());
        return tensor;
    };
    checkpoint_.write(
        {{"round", round_ + 1},
         {"seconds", seconds()},
         {"evaluations", evaluations_},
         {"pass_seconds", pass_seconds_},
         {"loss", loss_}},
        settings(),
        {{"coefficients", copy(coefficients_, at::kFloat)}, {"penalties", copy(penalties_, at::kDouble)}});
}

void Fitting::go_on() {
    if (!checkpoint_.exists()) return;
    const auto stored = checkpoint_.read(settings());
    if (!stored) return reporter_.warning("the checkpoint belongs to another job and is not used");
    const auto coefficients =
        stored->file.get<float>("coefficients", {static_cast<std::int64_t>(coefficients_.size())});
    const auto penalties =
        stored->file.get<double>("penalties", {static_cast<std::int64_t>(penalties_.size())});
    coefficients_.assign(coefficients.begin(), coefficients.end());
    penalties_.assign(penalties.begin(), penalties.end());
    const json& state = stored->state;
    round_ = state_of<int>(state, "round");
    begun_ = state_of<double>(state, "seconds");
    evaluations_ = state_of<std::int64_t>(state, "evaluations");
    pass_seconds_ = state_of<double>(state, "pass_seconds");
    loss_ = state_of<double>(state, "loss");
    reporter_.warning("went on after epoch " + std::to_string(round_) + ", where it was interrupted");
}

json Fitting::metrics() const {
    const double passed = static_cast<double>(pairs_) * static_cast<double>(evaluations_);
    return {{"epochs", round_},
            {"passes", evaluations_},
            {"pairs", pairs_},
            {"coefficients", coefficients_.size()},
            {"loss", loss_ / std::max<double>(1, static_cast<double>(pairs_))},
            {"train_seconds", seconds()},
            {"labels_per_s", passed / std::max(pass_seconds_, 1e-9)}};
}

}  // namespace seqrec::trainer
