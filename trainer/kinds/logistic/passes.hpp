// Passes over all pairs of a design: value and gradient, curvature, counts, scores.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kinds/logistic/design.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// Which interactions of each user make the pairs.
/// 由每个用户的哪些交互构成样本对。
enum class Of : std::uint8_t { Training, All, Validation, Test };

/// Parts into which interactions fall by chance, so that each can be told by a model that has not seen it.
/// 交互随机分成的份数，使每一份都可由未见过它的模型预测。
inline constexpr int kFolds = 5;

/// Pairs of a part of the data: all of them, those of a fold, or those of all other folds.
/// 数据某一部分的样本对：全部、某一折，或其余各折。
struct Pairs {
    enum class Fold : std::uint8_t { All, Inside, Outside };

    Of of;
    Fold which = Fold::All;
    int fold = 0;
};

/// A pair whose outcome is known.
/// 结果已知的一对。
struct PairOutcome {
    float logit;
    float weight;
    bool positive;
};

/// With labels every labelled interaction is a pair. Without, an interaction is a positive one, and beside it
/// stand `negatives` items drawn half evenly, half as often as items were chosen; what a draw of an item makes
/// likelier is taken off its logit, so that scores are those of items as they are (Gutmann, Hyvarinen, JMLR
/// 2012). The same draws at every pass.
/// 有标签时每次有标签的交互为一对；没有时交互为正例，另抽取 negatives 个物品为负例（一半均匀、
/// 一半按被选频率），并从 logit 中减去抽样带来的偏移。每遍抽样相同。
class Passes {
  public:
    Passes(const Dataset& data, const Design& design, std::int64_t negatives, std::uint64_t seed,
           Workers& workers);

    /// Sum of the pairs' losses, and its gradient [total]. 各对损失之和及其梯度。
    double gradient(Pairs pairs, std::span<const float> at, std::span<float> gradient) const;
    /// The diagonal of the second derivative [total]. 二阶导数的对角线。
    std::vector<float> curvature(Pairs pairs, std::span<const float> at) const;
    /// How many pairs each coefficient takes part in [total]. 每个系数参与的样本对数。
    std::vector<float> counts(Pairs pairs) const;
    std::vector<PairOutcome> outcomes(Pairs pairs, std::span<const float> at) const;
    /// What is taken off the logit of each item where there are no labels; 0 with labels.
    /// 没有标签时从各物品 logit 中减去的量；有标签时为 0。
    float correction(std::int64_t item) const {
        return corrections_.empty() ? 0 : corrections_[static_cast<std::size_t>(item)];
    }

  private:
    template <typename Mode>
    double add_up(Pairs pairs, std::span<const float> at, std::span<float> sums) const;
    std::pair<std::int64_t, std::int64_t> range(std::int64_t user, Pairs pairs) const;
    std::int64_t user_at(double share) const;

    template <typename Mode>
    class Walk;

    const Dataset& data_;
    const Design& design_;
    std::int64_t negatives_;
    std::uint64_t seed_;
    Workers& workers_;
    std::vector<float> corrections_;
};

}  // namespace seqrec::trainer
