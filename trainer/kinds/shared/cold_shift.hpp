// How far items that nobody has had are moved towards where people look, so that they are neither invisible nor spam.
//
// Texts that a projection has not seen mostly lie further from what is asked for than those it was trained with, so their items
// score too low against the others. What makes up for it: a share of the mean query, in lengths of such a row, that stands
// in for what an item does not have yet.
#pragma once

#include <functional>
#include <memory>

#include "data/dataset.hpp"
#include "kinds/trainer_kind.hpp"
#include "kinds/weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// The weights with items that nobody has had moved by a share.
/// 将尚无人互动的物品按给定份额移动后的权重。
using Shifted = std::function<std::unique_ptr<const Weights>(double share)>;

/// The largest share with which new items stand among the ten best no more often than they are asked for, and cost the
/// questions about other items at most one percent of their NDCG@10, or half of its standard error, which nobody could
/// tell. By the validation questions and the items held out whole. Where fewer than twenty ask for these, .05 at most; where fewer than twenty ask for others, .05.
/// 满足以下条件的最大份额：新物品出现在前十名中的频率不高于被求的频率，且其他问题的 NDCG@10 至多损失百分之一
/// （或其标准误的一半，无从分辨）。依据验证问题与整个留出的物品；关于留出物品的问题不足二十个时至多 .05，其他问题不足二十个时取 .05。
double choose_cold_shift(const Dataset& data, const Shifted& shifted, Workers& workers,
                         const std::function<void(double)>& poll);

/// What the option says, or where it leaves it to the data (kOpenShift), what they say. Reports progress.
/// 选项所定的份额；选项未定（kOpenShift）时由数据决定，并报告进度。
double settle_cold_shift(const Run& run, double option, const Shifted& shifted);

/// The mean of what users ask for after their training part, [width].
/// 用户在训练部分之后的查询的平均 [宽度]。
at::Tensor mean_query(const Dataset& data, const Weights& weights);

/// What stands in for what an item does not have yet: `share` in the direction of the mean query, in mean lengths of the
/// rows that content gives, `said` [items, dim].
/// 代替物品尚没有的部分：沿平均查询方向，长度为 share 乘以内容所给行 said [物品数, dim] 的平均长度。
at::Tensor stand_in(const at::Tensor& mean_query, const at::Tensor& said, double share);

}  // namespace seqrec::trainer
