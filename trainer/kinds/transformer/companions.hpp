// Which items the same users had: what counting alone knows of a place in a sequence.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/measure/user_lists.hpp"
#include "data/dataset.hpp"

namespace seqrec::trainer {

/// The users x items matrix of the training part.
/// 训练部分的用户 × 物品矩阵。
class Companions {
  public:
    explicit Companions(const Dataset& data);
    const UserLists& had() const { return had_; }

  private:
    UserLists had_;
};

/// Item-based top-N recommendation (Deshpande and Karypis, TOIS 2004): an item's company is the sum of its cosines to the latest
/// clicks, older ones counting less. Who asks is left out of the counts: they would say what she had next. One a thread.
/// 基于物品的 top-N 推荐（Deshpande 与 Karypis，TOIS 2004）：物品的同伴分为它与最近各次点击的余弦之和，越早权重越小。
/// 统计时不计提问者本人，否则等于说出其后续物品。每个线程一个。
class Company {
  public:
    explicit Company(const Companions& companions);

    /// Adds weight × log(1 + company / kLittle) to the scores [items] of those that have company; `user` is -1 for a stranger.
    /// 为有同伴分的物品在 scores [物品数] 上加 weight × log(1 + 同伴分 / kLittle)；陌生人的 user 为 -1。
    void add_to(std::span<float> scores, float weight, std::int32_t user,
                std::span<const std::int32_t> clicks);
    /// Of each item that has any: its company. Valid until the next call.
    /// 有同伴分的各物品及其同伴分；有效至下次调用。
    std::span<const ScoredCandidate> after(std::int32_t user, std::span<const std::int32_t> clicks);

    static constexpr float kLittle = 0.01f;

  private:
    void count(std::int32_t click, std::int32_t user, float weight);

    const UserLists& had_;
    std::vector<float> sums_;
    std::vector<ScoredCandidate> found_;
};

}  // namespace seqrec::trainer
