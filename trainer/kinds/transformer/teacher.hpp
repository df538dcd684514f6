// What networks that are trained already say of every place in the users' sequences, for another to learn from.
#pragma once

#include <functional>

#include "kinds/transformer/transformer_weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// How much of a label is learned from others (docs/ablations.md).
/// 标签中向其他网络学习的份额（见 docs/ablations.md）。
inline constexpr float kTaughtShare = 0.9f;

/// Of each place the likeliest items of a softmax over the mean of the networks' cosines; what they count sums up to one. Memory: 8 bytes for each of `each` items of a place.
/// 对每个位置：各网络余弦平均后 softmax 中最可能的物品，份额之和为一。
/// 内存：每个位置的每个物品 8 字节。
class Teacher {
  public:
    /// Asks `members` of every place, `poll` after each group of them (by any thread).
    /// 就每个位置询问 members；每组之后（由任一线程）调用 poll。
    Teacher(const Members& members, const Dataset& data, const Moments& moments, double temperature,
            Workers& workers, const std::function<void()>& poll);

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
