// Causal additive (Bahdanau) attention over packed sequences.
#pragma once

#include "kinds/shared/batches.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// sum_i a_i values_i over the positions i <= t of the sequence of each t, a = softmax_i(score . tanh(query_t + key_i)),
/// [T, latent]. query, key: [T, width]; score: [width]; values: [T, latent]. Exponents beyond 20 count as 20, where
/// tanh is 1 whatever the other.
/// 对每个位置 t，按 softmax_i(score · tanh(query_t + key_i)) 对其序列中 i <= t 的 values 加权求和。绝对值超过 20 的
/// 输入按 20 计。
at::Tensor additive_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& score,
                              const at::Tensor& values, const Batch& batch);

/// The same for the last position of each sequence alone, [S, latent], without gradients. A sequence without positions has
/// zeros. `query` [S, width] is of the last positions.
/// 同上，但只计算每个序列的最后位置，无梯度；空序列为零。
at::Tensor last_additive_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& score,
                                   const at::Tensor& values, const Packed& batch);

}  // namespace seqrec::trainer
