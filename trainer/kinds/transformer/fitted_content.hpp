// Content for a network that was trained without it: what it says of an item's row, learned from the rows that there are.
#pragma once

#include "kinds/transformer/content.hpp"
#include "kinds/transformer/transformer_weights.hpp"

namespace seqrec::trainer {

/// The same member whose items have content: a projection fitted to the rows of the items that were trained on (ridge
/// regression, its penalty chosen on a tenth of them), by which the other described items get theirs. Rows of
/// trained items stay as they are: `own` is what the projection leaves. `rows` [items, width]; `trained`,
/// `described`: of each item.
/// 为未使用内容训练的网络补上内容：以岭回归将内容映射到已训练物品的行（惩罚项在其中十分之一上选择），其余有内容
/// 的物品由此得到自己的行；已训练物品的行保持不变。
Member with_fitted_content(Member member, const Content& content);

}  // namespace seqrec::trainer
