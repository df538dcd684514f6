// What networks that are trained already say of every place in the users' sequences, for another to learn from.
#pragma once

#include <functional>

#include "kinds/transformer/transformer_weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// How much of a label is learned from others (docs/ablations.md).
/// 标签中向其他网络学习的份额（见 docs/ablations.md）。
inline constexpr float kTaughtShare = 0.9f;

/// Of each place the likeliest items of a softmax over the mean of the networks' cosines; what they count sums up to
/// kTaughtShare. Memory: 8 bytes for each of `each` items of a place.
/// 对每个位置：各网络余弦平均后 softmax 中最可能的物品，份额之和为 kTaughtShare。
/// 内存：每个位置的每个物品 8 字节。
class Teacher {
  public:
    /// Asks `members` of every place that they were trained on, as long as `goes_on`, which is told the share that was asked (by
    /// any thread). Of places that were held out, or not reached, nothing is said: their labels count alone.
    /// 就 members 训练过的每个位置询问它们，只要 goes_on（由任一线程调用，参数为已问比例）为真。
    /// 对留出的或未及询问的位置不作说明：其标签单独计数。
    Teacher(const Members& members, const Dataset& data, const Moments& moments, double temperature,
            Workers& workers, const std::function<bool(double)>& goes_on);

    std::int64_t each() const { return each_; }
    /// The likeliest items at a place, and their shares.
    /// 某位置最可能的物品及其份额。
    std::span<const std::int32_t> items(std::int64_t place) const;
    std::span<const float> shares(std::int64_t place) const;

    /// Tells the labels of a shard what may follow as well: kTaughtShare of each is learned from it.
    /// 告诉分片的各标签还可能接续什么：每个标签的 kTaughtShare 由此学习。
    void soften(Packed& shard) const;

  private:
    class Asking;

    std::int64_t each_;
    std::vector<std::int32_t> items_;  // [places, each]; those of share 0 say nothing
    std::vector<float> shares_;
};

}  // namespace seqrec::trainer
