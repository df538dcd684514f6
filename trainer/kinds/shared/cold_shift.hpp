// How far items that nobody has had are moved towards where people look, so that they are neither invisible nor spam.
//
// Texts that a projection has not seen lie further from what is asked for than those it was trained with, so their items
// score too low against the others. What makes up for it: a share of the mean query, in lengths of such a row, that stands
// in for what an item does not have yet.
#pragma once

#include <functional>
#include <memory>

#include "data/dataset.hpp"
#include "kinds/weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// The weights with items that nobody has had moved by a share.
/// 将尚无人互动的物品按给定份额移动后的权重。
using Shifted = std::function<std::unique_ptr<const Weights>(double share)>;

/// The largest share that costs at most half a percent of the best NDCG@10 over the validation questions about items held out
/// whole and about others together: new items are to be seen, and the others not to pay for it. .05, the usual, with fewer than twenty of either.
/// 在关于留出物品与其他物品的全部验证问题上，NDCG@10 比最佳值至多低千分之五的最大份额：让新物品被看见，又不由其他物品
/// 承担代价；两类问题中任一不足二十个则取常用的 .05。
double choose_cold_shift(const Dataset& data, const Shifted& shifted, Workers& workers,
                         const std::function<void(double)>& poll);

/// The mean of what users ask for after their training part, [width].
/// 用户在训练部分之后的查询的平均 [宽度]。
at::Tensor mean_query(const Dataset& data, const Weights& weights);

/// What stands in for what an item does not have yet: `share` in the direction of the mean query, in mean lengths of the
/// rows that content gives, `said` [items, dim].
/// 代替物品尚没有的部分：沿平均查询方向，长度为 share 乘以内容所给行 said [物品数, dim] 的平均长度。
at::Tensor stand_in(const at::Tensor& mean_query, const at::Tensor& said, double share);

}  // namespace seqrec::trainer
