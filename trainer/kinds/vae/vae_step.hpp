// The part of a step that one thread computes alone: what the next items are, the negative evidence lower bound, and its
// gradients.
#pragma once

#include <vector>

#include "kinds/two_tower/step.hpp"
#include "kinds/vae/vae_network.hpp"

namespace seqrec::trainer {

/// The next items of each label's position, every item once: those of label t are items[offsets[t] .. offsets[t + 1]).
/// 每个标签位置之后的若干物品，各出现一次。
struct NextItems {
    std::vector<std::int64_t> offsets{0};
    std::vector<std::int32_t> items;
};

/// At most `count` for each label of a shard, the label itself first; a sequence ends with its last label.
/// 每个标签至多 count 个，标签自身在前；序列止于其最后的标签。
NextItems next_items(const Packed& shard, std::int64_t count);

/// sum_t (log sum_i exp(scale q_t . e_i) - scale mean_n q_t . e_n) * factor over the next items n of t: the cross-entropy with
/// even shares. Rows of unit length; `weights` and `bfloat16` as softmax_loss() has them.
/// 以各后续物品均分目标的 softmax 交叉熵；各行须为单位长度。
at::Tensor next_softmax_loss(const at::Tensor& queries, const at::Tensor& items, const NextItems& next,
                             const std::vector<float>& weights, double scale, double factor, bool bfloat16);

/// sum_t sum_i (q_t . e_i - [i is a next item of t])^2 * factor. The sum over all items is q^T (E^T E) q: no score but those of
/// next items is ever made, and what a step costs grows with tokens + items instead of with their product. `weights`: of items
/// in the sum over all; empty: all 1.
/// 对多热目标（后续物品为 1，其余为 0）的平方误差之和。全体物品之和为 q^T (E^T E) q，只需计算后续物品的得分。
at::Tensor next_squared_error(const at::Tensor& queries, const at::Tensor& items, const NextItems& next,
                              const std::vector<float>& weights, double factor);

/// sum_d max(floor, mean over positions of divergence[:, d]): a variable that tells less than `floor` nats costs no less,
/// so that nothing is won by silencing it (Kingma et al. 2016).
/// 逐维对位置取均值后以 floor 为下限求和（free bits）：低于下限不再减少代价。
at::Tensor floored_divergence(const at::Tensor& divergence, double floor);

/// What all shards of a step are given.
/// 一步中各分片的共同输入。
struct VaeInput {
    const Vae& model;
    const StepItems* sample;  ///< the items that stand for the catalogue; null: all
    const VaeSettings& settings;
    double beta;
};

/// What a shard of a step gives.
/// 一个分片的输出。
struct VaeOutput {
    double loss = 0, reconstruction = 0;  ///< parts of means of a label
    at::Tensor divergence;                ///< float64 [latent], sums over positions
    std::int64_t positions = 0;
    std::vector<at::Tensor> dense;  ///< gradients in the order of Vae::for_each; none of an empty shard
    at::Tensor items;               ///< of the sample's rows; dense[0] is undefined then
};

/// The loss of a shard, reconstruction + beta * divergence, and its gradients; a label counts `label_weight`.
/// 一个分片的损失（重构 + beta × KL）与梯度，每个标签计 label_weight。
VaeOutput compute_vae_shard(const VaeInput& input, Packed shard, double label_weight);

}  // namespace seqrec::trainer
