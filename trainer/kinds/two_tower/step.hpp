// One step of the two towers: which items take part, their rows, and the loss of a shard.
#pragma once

#include <vector>

#include "kinds/shared/optimizer.hpp"
#include "kinds/two_tower/towers.hpp"

namespace seqrec::trainer {

/// The items that take part in a step. 参与一步的物品。
struct StepItems {
    std::vector<std::int32_t> rows;   ///< ascending: what was clicked, asked for or drawn, candidates all
    std::vector<float> weights;       ///< 1 / the chance to take part; empty: all 1
    std::vector<std::int32_t> drawn;  ///< places among rows of what was drawn

    /// The place of an item that takes part. 参与物品的位置。
    std::int32_t place(std::int32_t item) const;
};

/// What is drawn from: the items with interactions, and how often each is a label.
/// 抽样范围：有交互的物品，以及各自作为标签的占比。
struct Catalogue {
    std::vector<std::int32_t> warm;  ///< ascending
    std::vector<float> shares;       ///< of each item among the labels

    Catalogue() = default;
    Catalogue(const Dataset& data, Part part);
};

/// All of the catalogue as candidates. 以全部物品为候选。
StepItems all_items(const Catalogue& catalogue);
/// What is clicked or asked for in any shard, and `draws` uniform draws, as candidates. One is there with
/// probability 1 - (1 - share)^interactions (1 - 1 / items)^draws, of which its weight is the inverse (logQ).
/// 以各分片中点击或所求的物品与 draws 次均匀抽样为候选；入选概率的倒数为其权重（logQ 校正）。
StepItems sampled_items(const Catalogue& catalogue, const std::vector<Packed>& shards, std::int64_t draws,
                        Random& random);

/// Some items' rows and how to go back from them to the weights. 部分物品的行及其反向传播。
class ItemPart {
  public:
    ItemPart() = default;
    /// `residuals` [n, dim], those that are left out zero in `keep` [n, 1]. keep 中为零者本步不用 id。
    ItemPart(const Towers& towers, const at::Tensor& residuals, const at::Tensor& keep,
             const ContentRows& content);
    const at::Tensor& rows() const { return rows_; }
    /// Gradients of the residuals, and of every tensor of the towers.
    at::Tensor backward(const at::Tensor& gradient, std::vector<at::Tensor>& dense) const;

  private:
    at::Tensor residuals_, output_, rows_;
    std::vector<at::Tensor> leaves_;
};

/// What all shards of a step are given. 一步中各分片的共同输入。
struct TowerInput {
    const Towers& towers;
    const at::Tensor& table;  ///< of StepItems::rows, of unit length
    const StepItems& items;
    const UserFeatures& features;
    const TowerSettings& settings;
};

/// What a shard of a step gives. 一个分片的输出。
struct TowerOutput {
    double loss = 0;
    std::vector<at::Tensor> dense;  ///< gradients of every tensor of the towers; none of an empty shard
    at::Tensor table;               ///< gradient of the table
};

/// Labels of a shard, those of users without clicks included: a sequence with features is asked once without
/// its clicks.
/// 分片的标签数，含不看点击的提问：有用户特征的序列各问一次。
std::int64_t labels_of(const Packed& shard, const UserFeatures& features);
/// The loss and gradients of a shard; a label counts `label_weight`.
/// 一个分片的损失与梯度，每个标签计 label_weight。
TowerOutput compute_tower_shard(const TowerInput& input, Packed shard, double label_weight);

/// sum_t (softplus(-x(t, label)) + mean_j softplus(x(t, j))) * factor over drawn candidates j but the label, where
/// x(t, i) = (hidden_t . candidates_i + shift) / temperature.
/// 二元交叉熵：标签为正，抽出的候选（标签除外）取均值为负。
at::Tensor bce_loss(const at::Tensor& hidden, const at::Tensor& candidates,
                    const std::vector<std::int32_t>& labels, const std::vector<std::int32_t>& drawn,
                    const at::Tensor& shift, double temperature, double factor);

}  // namespace seqrec::trainer
