// Differentiable operations on packed sequences, each one pass of hand-written kernels forward and backward.
//
// T tokens in S sequences; all tensors are float32 and contiguous. Masks are drawn again in the backward pass
// from their seed. Tensors that are not on the CPU go to plain_ops.cpp.
#pragma once

#include "kernels/step_kernels.hpp"
#include "kinds/shared/batches.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// How a whole pass is computed: its dropout rate, the seed that each layer derives its own from, and whether
/// its products round to bfloat16.
struct Pass {
    float rate = 0;
    std::uint32_t seed = 0;
    bool bfloat16 = false;
    kernels::Mask mask(std::uint32_t layer) const { return {seed + layer * 0x9E3779B9u, rate}; }
};

/// mask(items[item_t] * scale + positions[place of t in its sequence]), [T, dim].
/// 物品嵌入乘以 scale 再加位置嵌入，并施加 dropout。
at::Tensor embed(const at::Tensor& items, const at::Tensor& positions, const Batch& batch, float scale,
                 kernels::Mask mask);

/// x w^T, [T, out] for x [T, in], w [out, in]; `bfloat16` as in softmax_loss.
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, bool bfloat16 = false);

/// Layer normalisation over the last dimension.
/// 对最后一维做层归一化。
at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// mask(gelu(x + bias)); x is overwritten.
at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, kernels::Mask mask);

/// residual + mask(x + bias)
at::Tensor join(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& residual, kernels::Mask mask);

/// Causal attention inside each sequence. `qkv` [T, 3 dim] without its bias [3 dim]; `relative` [heads,
/// max_len]: what is added to the score of a key that many places back. Returns [T, dim].
/// 每个序列内部的因果注意力；relative 为按距离相加的可学习偏置。
at::Tensor attention(const at::Tensor& qkv, const at::Tensor& bias, const at::Tensor& relative,
                     const Batch& batch, kernels::Mask mask);

/// hidden[t] + rows[row of the sequence of t]; sequences with row -1 stay as they are.
at::Tensor add_rows(const at::Tensor& hidden, const at::Tensor& rows, const Batch& batch,
                    const std::vector<std::int32_t>& row_of_sequence);

/// Rows divided by their length.
/// 每行除以其长度。
at::Tensor unit_rows(const at::Tensor& x);

}  // namespace seqrec::trainer
