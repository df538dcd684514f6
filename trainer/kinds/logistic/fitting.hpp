// The coefficients of a regression: as likely as they can be under penalties that the data choose.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <vector>

#include "kinds/logistic/passes.hpp"
#include "run/checkpoint.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// From a logit to a probability, fitted on what nothing was trained on: sigmoid(slope * logit + shift)
/// (Platt 1999).
/// 由 logit 到概率：sigmoid(slope * logit + shift)，在未参与训练的数据上拟合。
struct Calibration {
    double slope = 1, shift = 0;
};
/// The likeliest whose slope is at least 0.01; none where one outcome alone is there.
/// 斜率不小于 0.01 的最大似然校准；只有一类结果时不校准。
Calibration calibrate(const std::vector<PairOutcome>& outcomes);

/// Minimises loss + 1/2 sum over groups of penalty * |coefficients|^2 with L-BFGS, and between rounds sets
/// each group's penalty to the number of its coefficients that the data determine, sum of h / (h + penalty),
/// over their sum of squares (empirical Bayes: MacKay, Neural Computation 4, 1992), h a diagonal of the
/// curvature.
/// 以 L-BFGS 最小化带惩罚的损失；每轮之间把各组的惩罚设为「由数据决定的系数个数」（Σ h / (h + 惩罚)，
/// h 为曲率的对角线）除以系数平方和（经验贝叶斯，MacKay 1992）。
class Fitting {
  public:
    Fitting(const Dataset& data, const Design& design, const Passes& passes, const nlohmann::json& options,
            Reporter& reporter, std::string checkpoint);

    /// Fits to the training part, from zero or from where a checkpoint left off.
    /// 在训练部分上拟合，从零或检查点开始。
    void fit();
    /// Goes on with all interactions and the penalties as they are.
    /// 保持惩罚不变，在全部交互上继续拟合。
    void fit_all();
    /// What models of four fifths of the training part say of the last fifth, each fifth in turn.
    /// 以训练部分的五分之四拟合、预测其余五分之一，依次轮换。
    std::vector<PairOutcome> out_of_fold();
    const std::vector<float>& coefficients() const { return coefficients_; }
    /// Standard errors given the other coefficients: the inverse root of curvature and penalty.
    /// 给定其余系数时的标准误：曲率与惩罚之和的平方根的倒数。
    std::vector<float> errors(Pairs pairs) const;
    nlohmann::json metrics() const;

  private:
    using Clock = std::chrono::steady_clock;

    void round(Pairs pairs, int iterations, double tolerance);
    void choose_penalties(const std::vector<float>& curvature);
    double penalised(Pairs pairs, std::span<const float> at, std::span<float> gradient);
    std::vector<float> inverse(const std::vector<float>& curvature) const;
    float penalty_of(std::size_t coefficient) const;
    void report_round();
    void keep();
    void go_on();
    bool is_over() const;
    double seconds() const { return begun_ + std::chrono::duration<double>(Clock::now() - start_).count(); }
    nlohmann::json settings() const;

    const Dataset& data_;
    const Design& design_;
    const Passes& passes_;
    const nlohmann::json& options_;
    Reporter& reporter_;
    Checkpoint checkpoint_;
    std::vector<float> coefficients_;
    std::vector<double> penalties_;
    int rounds_, round_ = 0;
    std::int64_t evaluations_ = 0;
    std::int64_t pairs_ = 0;
    double loss_ = 0, pass_seconds_ = 0, begun_ = 0;
    Clock::time_point start_ = Clock::now();
};

}  // namespace seqrec::trainer
