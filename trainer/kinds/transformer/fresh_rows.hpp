// Rows of items that nobody has had.
#pragma once

#include "kinds/transformer/content.hpp"
#include "kinds/transformer/transformer_weights.hpp"

namespace seqrec::trainer {

/// Sets `fresh` of each member to what shared/cold_shift.hpp says for a share, and with it the rows of the items that have
/// content and were not trained on. Those of which nothing is known at all are zeros: they stand nowhere, and a click on one
/// says nothing. `mean_query` [members * dim].
/// 按给定份额（见 shared/cold_shift.hpp）设置各成员的 fresh，并据此设置有内容而未参与训练的物品的行；
/// 一无所知的物品的行为零：不会被推荐，对它的点击也不说明什么。
void set_fresh_rows(Members& members, const Content& content, const at::Tensor& mean_query, double share);

}  // namespace seqrec::trainer
