// The part of a step that one thread computes alone: what is read, forward, loss and gradients.
#pragma once

#include <vector>

#include "data/sequences.hpp"
#include "kinds/p5/p5_network.hpp"
#include "kinds/shared/optimizer.hpp"

namespace seqrec::trainer {

/// What all shards of a step share. 一步中各分片共享的内容。
struct P5Input {
    const P5Network& network;
    const RowTable& personal;
    const Scribe& scribe;
    const P5Settings& settings;
    const Sequences& sequences;
    const std::vector<float>& label_share;  ///< of each item among the labels; only read when sampled
    Stage stage;
    bool personal_tokens;  ///< whether users have tokens of their own
};

struct P5Output {
    double loss = 0;
    std::int64_t labels = 0;
    std::vector<at::Tensor>
        dense;  ///< gradients in the order of P5Network::for_each; undefined of what is frozen
    RowGradient personal;
    RowGradient items;  ///< only when sampled; dense[0] is undefined then
};

/// What a shard reads and learns: of each sequence the items after its clicks, and where it is the beginning of a history,
/// the first after the prompt alone. Pretraining hides some clicks and asks for them at the end, where all others
/// are known; where prompts are learned alone, only those beginnings are read, and not far: the longer a history, the less a
/// prompt says. `own` becomes the distinct users who have a token of their own.
/// 一个分片所读与所学：每个序列中各点击之后的物品；若为历史开头，还学仅凭提示的首个物品。预训练隐藏部分点击，
/// 并在其余点击都已知的末尾询问它们。只学提示时仅读这些开头的一小段：历史越长，提示所说越少。own 为具有自己词元的不同用户。
Reading read_shard(const P5Input& input, const Packed& shard, std::vector<std::int32_t>& own);

/// The loss and gradients of a shard, each label of which counts `label_weight`.
/// 一个分片的损失与梯度，每个标签计 label_weight。
P5Output compute_p5_shard(const P5Input& input, Reading reading, const std::vector<std::int32_t>& own,
                          double label_weight);

}  // namespace seqrec::trainer
