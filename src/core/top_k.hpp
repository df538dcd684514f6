// The k items with the highest score, by one pass over the item matrix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/poll.hpp"

namespace seqrec {

struct ScoredItem {
    std::int32_t item;
    float score;
};

/// Items that must not be returned: a bitmap over item indexes. 不可返回的物品：下标位图。
class ItemSet {
  public:
    explicit ItemSet(std::int64_t items) : words_((static_cast<std::size_t>(items) + 63) / 64) {}
    void add(std::int32_t item) { words_[static_cast<std::size_t>(item) / 64] |= 1ULL << (item % 64); }
    bool contains(std::int32_t item) const {
        return words_[static_cast<std::size_t>(item) / 64] >> (item % 64) & 1;
    }
    /// Whether every index below `items` may be asked for. 小于 items 的下标是否都可查询。
    bool covers(std::size_t items) const { return words_.size() * 64 >= items; }

  private:
    std::vector<std::uint64_t> words_;
};

/// The (at most) k best items, best first, ties by smaller index. score(i) = scale[i] * dot(matrix row i,
/// query); `matrix` is [items, dim] row by row, `scale` [items], `query` [dim]. A score that is not a number
/// is never returned. One pass, exact, in memory for min(k, items) results; `poll` is called every few
/// thousand rows. Error (internal) when the sizes do not agree.
/// 得分最高的至多 k 个物品，从高到低，同分时下标小者在前。score(i) = scale[i] * dot(矩阵第 i 行, query)。
/// 不返回 NaN；精确的单遍扫描，内存只与 min(k, 物品数) 有关；每几千行调用一次 poll。尺寸不符抛出
/// Error（内部错误）。
std::vector<ScoredItem> top_k(std::span<const float> matrix, std::span<const float> scale,
                              std::span<const float> query, const ItemSet& excluded, std::int64_t k,
                              const Poll& poll);

/// The (at most) k best items by a given score each; ties by smaller index, never a NaN.
/// 按给定得分取前 k 个物品；同分时下标小者在前，不返回 NaN。
std::vector<ScoredItem> top_k(std::span<const float> scores, const ItemSet& excluded, std::int64_t k,
                              const Poll& poll = {});

}  // namespace seqrec
