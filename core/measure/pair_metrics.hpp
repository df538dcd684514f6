// How good probabilities of (user, item) pairs are, from pairs whose outcome is known.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace seqrec {

/// A pair: what was said of it, and what happened.
/// 一个（用户, 物品）对：预测概率与实际结果。
struct ScoredPair {
    float probability;  ///< in [0, 1]
    bool positive;
};

/// Bins of the reliability table, equally wide.
/// 可靠性表的等宽分箱数。
inline constexpr std::size_t kReliabilityBins = 15;

/// The probability from which on calling a pair positive gives the best F1; 0.5 without positives.
/// 使 F1 最大的判定阈值；没有正例时为 0.5。
float best_threshold(std::vector<ScoredPair> pairs);

/// `auc` (the share of pairs of a positive and a negative that are in order, ties count half), `log_loss`
/// (natural, probabilities kept 1e-7 away from 0 and 1), `accuracy`, `precision`, `recall`, `f1` at
/// `threshold`, `brier`, `ece` (15 bins of equal width, |mean probability - share of positives| weighted with
/// the bins' pairs; Guo et al., ICML 2017), `threshold`, `pairs_evaluated`, and `reliability`: a list of
/// {from, to, pairs, probability, positives (a share)} of the bins that have pairs. What pairs of one outcome
/// alone can't say is null; without pairs all is null and pairs_evaluated 0.
/// 由带标签的对计算 auc（同分计一半）、log_loss（自然对数）、给定阈值下的 accuracy、precision、recall、
/// f1，以及 brier、ece（15 个等宽箱）、threshold、pairs_evaluated 与 reliability（各非空箱的列表）；
/// 只有一类结果时无法计算者为 null。
nlohmann::json pair_metrics(std::vector<ScoredPair> pairs, float threshold);

}  // namespace seqrec
