// What an earlier model knows, said again while a training goes on from it, so that it is not forgotten.
#pragma once

#include <memory>
#include <vector>

#include "kinds/transformer/transformer_weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// Of which items an earlier model tells, and how often people had them.
/// 早先模型所知的物品及其热度。
struct EarlierItems {
    std::vector<std::int32_t> known;  ///< indexes in the dataset, ascending
    std::vector<float> popularity;    ///< of each of them
};

/// Sequences that nobody clicked: the earlier model draws them, click by click, from its own softmax, and at each click
/// a few items that could follow. A label drawn anew in every step is, in the mean over steps, the earlier model's whole
/// distribution: learning from it is distillation (cross-entropy to the earlier softmax) by the loss that is there. No row of
/// the earlier training is read, neither from the table nor from what the model keeps of its users.
/// 无人点击过的序列：由早先模型按其自身的 softmax 逐次抽取，并在每个位置抽取若干可能的下一个物品。
/// 每步重新抽取标签，其均值即早先模型的完整分布，因此以现有损失学习即为蒸馏。不读取先前训练的任何行。
class Rehearsal {
  public:
    /// About `positions` clicks with labels, in sequences as long as those of `data`. `earlier` has its items by the dataset's
    /// indexes; `share`: labels for each that a step has of its own. The same for the same seed, whatever the number of workers.
    /// 约 positions 个带标签的位置，序列长度与 data 相仿；share 为每步自身每个标签所配的个数；相同的种子结果相同，与线程数无关。
    Rehearsal(const Members& earlier, EarlierItems items, const Dataset& data, double temperature,
              double share, std::int64_t positions, std::uint64_t seed, Workers& workers);

    double share() const { return share_; }
    /// The items that are said again, ascending.
    /// 被重述的物品，升序。
    std::span<const std::int32_t> said() const { return told_.known; }
    std::int64_t positions() const { return static_cast<std::int64_t>(items_.size()); }
    std::int64_t sequences() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
    /// The clicks of a sequence, and what was drawn to follow the click at a position of all sequences.
    /// 一个序列的点击；以及某位置之后抽取的各个物品。
    std::span<const std::int32_t> of(std::int64_t sequence) const;
    std::span<const std::int32_t> drawn(std::int64_t position) const;

    /// Adds sequences to the shards of a step, share() labels for each that is there.
    /// 向一步的各分片加入序列：每个已有标签加入 share() 个。
    void extend(std::vector<Packed>& shards, Random& random) const;

    static constexpr std::int64_t kDrawn = 8;  ///< items that could follow a click

  private:
    void choose_lengths(const Dataset& data, std::size_t most, std::int64_t positions, Random& random);
    void append(Packed& shard, std::int64_t sequence, Random& random) const;

    EarlierItems told_;
    double share_;
    std::vector<std::int64_t> offsets_{0};
    std::vector<std::int32_t> items_, drawn_;
};

}  // namespace seqrec::trainer
