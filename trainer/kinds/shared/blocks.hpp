// The blocks of a causal Transformer over packed sequences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kinds/shared/normal.hpp"
#include "kinds/shared/ops.hpp"

namespace seqrec::trainer {

/// The weights of one block. 一个块的权重。
struct Block {
    at::Tensor norm1_weight, norm1_bias, qkv_weight, qkv_bias, relative, out_weight, out_bias;
    at::Tensor norm2_weight, norm2_bias, wide_weight, wide_bias, narrow_weight, narrow_bias;
};

/// What all blocks of a network have in common; `length` is that of the longest sequence.
/// 一个网络各块共有的尺寸；length 为最长序列的长度。
struct BlockSizes {
    std::int64_t dim, layers, heads, length;
};

/// A fresh block: products by the width of their input, biases zero.
/// 全新的块：矩阵按输入宽度初始化，偏置为零。
Block fresh_block(const BlockSizes& sizes, Random& random);

/// Every tensor of blocks under the name that the model file gives it, in a fixed order.
/// 按固定次序访问各块的全部张量，名称同模型文件。
void for_each_tensor(std::vector<Block>& blocks,
                     const std::function<void(const std::string& name, at::Tensor& tensor)>& visit);

/// What the blocks make of embedded tokens, [T, dim]; the pass's masks from 1 on are theirs.
/// 各块对词元嵌入 [T, dim] 的计算结果；使用 pass 中自 1 起的掩码。
at::Tensor run_blocks(const std::vector<Block>& blocks, at::Tensor x, const Batch& batch, Pass pass);

}  // namespace seqrec::trainer
