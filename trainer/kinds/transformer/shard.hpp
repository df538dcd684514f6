// The part of a step that one thread computes alone: forward, loss and gradients of a packed batch.
#pragma once

#include "kinds/transformer/network.hpp"
#include "kinds/transformer/optimizer.hpp"

namespace seqrec::trainer {

/// What is known of the items beside who had them, and which of them have been trained on.
/// 除交互外对物品的了解，以及哪些物品参与训练。
struct Content {
    at::Tensor rows;                      ///< [items, width]; undefined for none
    std::vector<std::uint8_t> described;  ///< of each item: whether its row says something
    /// Of each item whether anybody had it in the part that is trained on. Others stand by their content, and
    /// are no candidates of the softmax: it would teach what is like them not to be recommended.
    /// 每个物品在训练部分中是否出现；其余的只凭内容，且不作为 softmax 的候选，否则与之相似者都会被压低。
    std::vector<std::uint8_t> trained;

    bool exists() const { return rows.defined(); }
};

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
