// Normal numbers of a seed, the same with every compiler and version of libtorch.
#pragma once

#include "random.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// Independent normal numbers of mean 0, by Box and Muller.
/// 均值为 0 的独立正态随机数（Box-Muller 法）。
at::Tensor normal(at::IntArrayRef shape, double deviation, Random& random);

}  // namespace seqrec::trainer
