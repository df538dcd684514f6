// The k items with the highest score, by one pass over the item matrix.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace seqrec {

struct ScoredItem {
    std::int32_t item;
    float score;
};

/// Called now and then during long loops; may throw to stop them. 长循环中不时调用；可抛出异常以中止。
using Poll = std::function<void()>;

/// Items that must not be returned: a bitmap over item indexes. 不可返回的物品：下标位图。
class ItemSet {
  public:
    explicit ItemSet(std::int64_t items) : words_((static_cast<std::size_t>(items) + 63) / 64) {}
    void add(std::int32_t item) { words_[static_cast<std::size_t>(item) / 64] |= 1ULL << (item % 64); }
    bool contains(std::int32_t item) const {
        return words_[static_cast<std::size_t>(item) / 64] >> (item % 64) & 1;
    }

  private:
    std::vector<std::uint64_t> words_;
};

/// The (at most) k best items, best first, ties by smaller index. score(i) = scale[i] * dot(matrix row i,
/// query); `matrix` is [items, dim] row by row, `scale` [items], `query` [dim]. 得分最高的至多 k
/// 个物品，从高到低，同分时下标小者在前。score(i) = scale[i] * dot(矩阵第 i 行, query)。
std::vector<ScoredItem> top_k(std::span<const float> matrix, std::span<const float> scale,
                              std::span<const float> query, const ItemSet& excluded, std::int64_t k,
                              const Poll& poll);

/// The (at most) k best items by a given score each; ties by smaller index.
/// 按给定得分取前 k 个物品；同分时下标小者在前。
std::vector<ScoredItem> top_k(std::span<const float> scores, const ItemSet& excluded, std::int64_t k);

}  // namespace seqrec
