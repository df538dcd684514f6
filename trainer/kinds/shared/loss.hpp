// Softmax cross-entropy over all items, fused with the product that makes the logits.
#pragma once

#include "kinds/shared/soft_labels.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// sum_t (log(sum_i weights_i exp(scale hidden_t . items_i)) - scale hidden_t . items[label_t]) * factor, a
/// scalar. `hidden` [T, dim] and `items` [I, dim] must have rows of unit length: the largest logit is then
/// `scale`, known beforehand. `weights` is empty (all 1) for all items; for a sample it holds 1 /
/// (probability that the item is in the sample), which makes the sum an unbiased estimate of the sum over all
/// items (the "logQ" correction; Bengio and Senecal 2008). The label itself always counts 1. Both gradients
/// are computed in the forward pass, block of positions by block, so that the [T, I] logits never exist.
/// `bfloat16` (only where kernels::table().bfloat16 is there) rounds the factors of the products; sums,
/// exponentials and the labels' own terms stay float32. `counts`: what each label's term is multiplied with; empty: 1.
/// `soft` replaces a part of each label's term by those of other items, only where all items are there (`weights` empty).
/// 带缩放余弦的 softmax 交叉熵之和乘以 factor；hidden 与 items 的行须为单位长度。weights 为空表示全部物品，
/// 采样时为入样概率的倒数（logQ 校正），标签自身恒计 1。两者的梯度在前向中按位置分块算出，
/// 不生成完整的 [T, I] 矩阵。counts 为各标签项的权重，空则均为 1。
/// soft 以其他物品的项代替各标签项的一部分，只用于全部物品（weights 为空）。
at::Tensor softmax_loss(const at::Tensor& hidden, const at::Tensor& items,
                        const std::vector<std::int32_t>& labels, const std::vector<float>& weights,
                        double scale, double factor, bool bfloat16 = false,
                        const std::vector<float>& counts = {}, const SoftLabels& soft = {});

}  // namespace seqrec::trainer
