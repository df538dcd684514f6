// What every model is held against: simple recommenders, counted on what may teach.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/poll.hpp"

namespace seqrec {

/// Sequences of items, each a user's, oldest first; what is not in [0, items) is unknown and passed over.
/// 各用户的物品序列，最早的在前；不在 [0, items) 内者视为未知并跳过。
struct Teaching {
    std::int64_t items;
    std::vector<std::span<const std::int32_t>> users;
    bool keeps_repeats;
};

/// The popularity of items: interactions, and how many items are before each by them, of equals those of smaller
/// index.
/// 物品的热门度：交互数，以及排在其前的物品数（相同时下标小者在前）。
struct Popularity {
    std::vector<std::int64_t> counts;
    std::vector<std::int32_t> place;

    explicit Popularity(const Teaching& teaching);
};

/// What a user had before a question, all of it known items.
/// 用户在问题之前的（已知）物品。
class Before {
  public:
    Before(std::int64_t items, bool keeps_repeats)
        : had_(static_cast<std::size_t>(items)), keeps_repeats_(keeps_repeats) {}

    void set(std::span<const std::int32_t> clicks);
    std::span<const std::int32_t> clicks() const { return clicks_; }
    /// The items of the clicks, each once.
    /// 点击的物品，各一次。
    std::span<const std::int32_t> items() const { return items_; }
    bool has(std::int32_t item) const { return had_[static_cast<std::size_t>(item)] != 0; }
    /// Whether an item is not ranked.
    /// 该物品是否不参与排名。
    bool hides(std::int32_t item) const { return !keeps_repeats_ && has(item); }

  private:
    std::vector<char> had_;
    bool keeps_repeats_;
    std::span<const std::int32_t> clicks_;
    std::vector<std::int32_t> items_;
};

/// Ranks items after what a user had: by its own scores, of equals by popularity.
/// 在用户已有物品之后为物品排名：按自身得分，同分按热门度。
class Baseline {
  public:
    virtual ~Baseline() = default;
    virtual std::string_view name() const = 0;
    /// The rank of an item that is not hidden, 0 = best.
    /// 未被隐藏的物品的名次，0 为最佳。
    virtual std::int64_t rank(const Before& before, std::int32_t target) = 0;
};

/// `popularity`, the most popular first.
/// popularity：最热门者在前。
std::unique_ptr<Baseline> popularity_baseline(const Popularity& popularity);
/// `markov`: how often an item followed the latest one.
/// markov：跟随最近物品的次数。
std::unique_ptr<Baseline> markov_baseline(const Teaching& teaching, const Popularity& popularity);
/// `item_knn`: the sum over the user's items of the cosine, in the users x items matrix of who had what, to those of the
/// `neighbours` items next to each (Sarwar et al., WWW 2001; Deshpande and Karypis, TOIS 2004). Takes a step for each
/// two items of a user.
/// item_knn：用户各物品与其最近的 neighbours 个物品在用户 × 物品矩阵中的余弦之和；每个用户的每两个物品一步。
std::unique_ptr<Baseline> item_knn_baseline(const Teaching& teaching, const Popularity& popularity,
                                            std::size_t neighbours, const Poll& poll);
/// Steps that item_knn_baseline() and ease_baseline() count pairs in.
/// 统计物品对所需的步数。
double pair_steps(const Teaching& teaching);

/// Of the items that have a score: its rank, the others following by popularity.
/// 仅部分物品有得分时的名次；其余按热门度排在其后。
struct ScoredCandidate {
    std::int32_t item;
    float score;  ///< > 0
};
std::int64_t rank_among(std::span<const ScoredCandidate> candidates, std::int32_t target,
                        const Before& before, const Popularity& popularity);

}  // namespace seqrec
