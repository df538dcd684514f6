// The part of a step that one thread computes alone: forward, loss and gradients of a packed batch.
#pragma once

#include "kinds/shared/optimizer.hpp"
#include "kinds/transformer/content.hpp"
#include "kinds/transformer/moments.hpp"
#include "kinds/transformer/network.hpp"

namespace seqrec::trainer {

/// What all shards of a training share. `sampled` > 0: that many items drawn at random stand, with the labels
/// of the shard, for the whole catalogue.
/// 一次训练中各分片共享的内容。sampled > 0 时，以随机抽取的物品与本分片标签代替整个目录。
struct ShardInput {
    const Transformer& model;
    const RowTable& users;
    const Settings& settings;
    const std::vector<float>& label_share;  // of each item among the labels; only read when sampled
    std::int64_t sampled;
    const Content& content;
    const Moments* moments = nullptr;  // null for none
};

struct ShardOutput {
    double loss = 0;
    std::vector<at::Tensor> dense;  // gradients in the order of Transformer::for_each
    RowGradient users;
    RowGradient items;  // only when sampled; dense[0] is undefined then
};

/// The gradients of one shard; each label counts `label_weight`.
/// 计算一个分片的梯度。
ShardOutput compute_shard(const ShardInput& input, Packed batch, double label_weight);

}  // namespace seqrec::trainer
