// Softmax cross-entropy over all items, fused with the product that makes the logits.
#pragma once

#include "torch.hpp"

namespace seqrec::trainer {

/// sum_t (logsumexp_i(scale * hidden_t . items_i) - scale * hidden_t . items[label_t]) * weight, a scalar.
/// `hidden` [T, dim] and `items` [I, dim] must have rows of unit length: the largest logit is then `scale`,
/// known beforehand. Both gradients are computed in the forward pass, block of positions by block, so that
/// the [T, I] logits never exist. 对所有物品的 softmax 交叉熵之和乘以 weight；hidden 与 items
/// 的行须为单位长度。两者的梯度在前向中按位置分块算出， 不生成完整的 [T, I] 矩阵。
at::Tensor softmax_loss(const at::Tensor& hidden, const at::Tensor& items,
                        const std::vector<std::int32_t>& labels, double scale, double weight);

}  // namespace seqrec::trainer
