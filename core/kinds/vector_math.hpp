// What several encoders do to a few numbers, beside the kernels.
#pragma once

#include <span>

namespace seqrec {

/// The tanh form, as in the trainer's kernels.
/// tanh 形式，与训练内核相同。
float gelu(float x);
/// Softmax of at least one number, in place.
/// 就地计算 softmax，至少一个数。
void softmax(std::span<float> scores);
/// Divides a vector by its length; false, and the vector as it was, for one of zeros. Error XX001 where weights are damaged
/// so that its length is no finite number: that is not the same as nothing being known.
/// 将向量除以其长度；零向量不变并返回 false。权重损坏致长度非有限数时抛出 Error XX001：这不同于一无所知。
bool normalise(std::span<float> vector);

}  // namespace seqrec
