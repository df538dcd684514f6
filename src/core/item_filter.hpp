// Which items an answer may hold.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace seqrec {

/// All items of a catalogue, less those excluded, or the allowed ones alone. A scan asks only for items that
/// could be among the best, so what is excluded is a sorted list and costs nothing for each item there is.
/// 目录中全部物品去掉被排除者，或仅限允许者。扫描只询问有望入选的物品，故排除集用有序列表表示。
class ItemFilter {
  public:
    explicit ItemFilter(std::int64_t items) : items_(items) {}

    /// Item indexes in [0, items), in any order, again if need be. 物品下标，顺序任意，可重复。
    void exclude(std::span<const std::int32_t> items) {
        excluded_.insert(excluded_.end(), items.begin(), items.end());
        std::sort(excluded_.begin(), excluded_.end());
        excluded_.erase(std::unique(excluded_.begin(), excluded_.end()), excluded_.end());
    }
    /// From now on no other items are admitted. 此后只允许这些物品。
    void allow_only(std::span<const std::int32_t> items) {
        restricted_ = true;
        allowed_.assign((static_cast<std::size_t>(items_) + 63) / 64, 0);
        for (const std::int32_t item : items)
            allowed_[static_cast<std::size_t>(item) / 64] |= 1ULL << (item % 64);
    }

    bool admits(std::int32_t item) const {
        if (restricted_ && !(allowed_[static_cast<std::size_t>(item) / 64] >> (item % 64) & 1)) return false;
        return !std::binary_search(excluded_.begin(), excluded_.end(), item);
    }
    std::int64_t items() const { return items_; }
    bool restricted() const { return restricted_; }
    std::span<const std::int32_t> excluded() const { return excluded_; }

  private:
    std::int64_t items_;
    std::vector<std::int32_t> excluded_;
    std::vector<std::uint64_t> allowed_;
    bool restricted_ = false;
};

}  // namespace seqrec
