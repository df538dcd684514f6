// From a ranking to probabilities: what is fitted on interactions that nobody was trained on.
#pragma once

#include <nlohmann/json.hpp>

#include "data/dataset.hpp"
#include "kinds/p5/p5_weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// What was fitted, and what a user should be told of it; empty for nothing.
/// 拟合结果，以及应告知用户的内容（可为空）。
struct FittedProbability {
    Probability probability;
    std::string warning;
};

/// Scale and offset with which the cosines of these weights are logits of "this item is the user's next one", by Platt's method
/// over the held-out questions: of each the item that came, and all others that could have, or an even sample that
/// stands for them. The offset is linear in the query, since a query that many items suit leaves less to each.
/// With fewer than a hundred questions they are the chances of the training's softmax, which add up to about one over the items;
/// where the held-out items rank no better than by chance all items get about the same. Either is said in `warning`.
/// 用 Platt 方法在留出问题上拟合 scale 与 offset，使余弦成为“该物品是用户的下一个”的 logit：每个问题取实际物品与其余
/// 全部可能物品（或代表它们的均匀抽样）。offset 对查询是线性的，因为适合物品多的查询，各物品所得较少。问题不足一百个时取训练所用
/// softmax 的概率（对全部物品之和约为一）；留出物品的排名不优于随机时，各物品概率大致相同。两者均在 warning 中说明。
FittedProbability fit_probability(const Dataset& data, const std::vector<Question>& questions,
                                  const P5Weights& weights, std::uint64_t seed, Workers& workers);

/// What the probabilities of the held-out questions of the test turned out to be worth: the metrics of core/measure/pair_metrics.hpp
/// over every pair, and of the ten best of each question `top10_probability`, what was said, and `top10_share`, how
/// many came.
/// 测试问题上概率的质量：core/measure/pair_metrics.hpp 的各项指标（针对全部对），以及各问题前十名的
/// top10_probability（所说）与 top10_share（实际）。
nlohmann::json measure_probability(const Dataset& data, const P5Weights& weights, std::uint64_t seed,
                                   Workers& workers);

}  // namespace seqrec::trainer
