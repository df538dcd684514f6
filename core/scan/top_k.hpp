// The k items with the highest score, by one pass over all of them in float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/scan/best.hpp"
#include "core/scan/item_filter.hpp"

namespace seqrec {

/// How many items are wanted, and how good they must be.
/// 需要多少物品以及最低得分。
struct Wanted {
    std::int64_t k;
    float min_score = -std::numeric_limits<float>::infinity();
};

/// Unit item vectors as they were trained: score(i) = unit[i] * dot(matrix row i, query).
/// 训练得到的物品向量：score(i) = unit[i] * dot(第 i 行, query)。
struct Rows {
    std::span<const float> matrix;  ///< [items, dim]
    std::span<const float> unit;    ///< [items], 1 / length of a row

    /// The scores of some items to `out`: the very numbers that a pass over all of them gives.
    /// 若干物品的得分写入 out，与全量扫描所得逐位相同。
    void score(std::span<const std::int32_t> items, std::span<const float> query, std::span<float> out) const;
};

/// The (at most) k best items that the filter admits, best first, ties by smaller index. A score that is not
/// a number is never returned. One pass, exact, in memory for min(k, items) results; `poll` is called every
/// few thousand rows. Error (internal) when the sizes do not agree.
/// 过滤器允许的物品中得分最高的至多 k 个，从高到低，同分时下标小者在前。不返回 NaN；精确的单遍扫描，
/// 内存只与 min(k, 物品数) 有关；每几千行调用一次 poll。尺寸不符抛出 Error（内部错误）。
std::vector<ScoredItem> top_k(const Rows& rows, std::span<const float> query, const ItemFilter& filter,
                              const Wanted& wanted, const Poll& poll);

/// The (at most) k best items by a given score each; ties by smaller index, never a NaN.
/// 按给定得分取前 k 个物品；同分时下标小者在前，不返回 NaN。
std::vector<ScoredItem> top_k(std::span<const float> scores, const ItemFilter& filter, const Wanted& wanted,
                              const Poll& poll = {});

/// The k best of a short list.
/// 短列表中的前 k 个。
std::vector<ScoredItem> top_k_of(std::span<const std::int32_t> items, const Rows& rows,
                                 std::span<const float> query, const ItemFilter& filter, const Wanted& wanted,
                                 const Poll& poll);

}  // namespace seqrec
