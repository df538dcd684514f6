// How far items that nobody has had are moved towards where people look, so that they are neither invisible nor spam.
#pragma once

#include <functional>

#include "data/dataset.hpp"
#include "kinds/transformer/content.hpp"
#include "kinds/transformer/transformer_weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// Texts that a projection has not seen lie further from what is asked for than those it was trained with, so their items
/// score too low against the others. What makes up for it: a share of the mean query, in lengths of such a row, that stands
/// in for the row an item does not have yet. This sets it in `fresh` of each member, for a share.
/// 投影没有见过的文本离查询较远，其物品得分偏低；作为弥补，以平均查询方向的一部分（以行长为单位）代替物品尚没有的行。
/// 本函数按给定份额设置各成员的 fresh。
void set_fresh_rows(Members& members, const Content& content, const at::Tensor& mean_query, double share);

/// The largest share that costs at most half a percent of the best NDCG@10 over the validation questions about items held out
/// whole and about others together: new items are to be seen, and the others not to pay for it. 0 with fewer than a hundred of either.
/// 在关于留出物品与其他物品的全部验证问题上，NDCG@10 比最佳值至多低千分之五的最大份额：让新物品被看见，又不由其他物品
/// 承担代价；两类问题中任一不足一百个则为 0。
double choose_cold_shift(const Dataset& data, const Members& measured, const Content& content,
                         const at::Tensor& mean_query, Workers& workers,
                         const std::function<void(double)>& poll);

/// The mean of what users ask for after their training part, [width].
/// 用户在训练部分之后的查询的平均 [宽度]。
at::Tensor mean_query(const Dataset& data, const Members& members);

}  // namespace seqrec::trainer
