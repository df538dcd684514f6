// Which items an answer may hold.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace seqrec {

/// Some of a catalogue's items, a bit for each there is. 目录中的部分物品，每个物品一位。
class ItemSet {
  public:
    ItemSet() = default;
    /// Item indexes in [0, count), in any order, again if need be. 物品下标，顺序任意，可重复。
    ItemSet(std::int64_t count, std::span<const std::int32_t> items)
        : words_((static_cast<std::size_t>(count) + 63) / 64) {
        for (const std::int32_t item : items)
            words_[static_cast<std::size_t>(item) / 64] |= 1ULL << (item % 64);
    }

    bool contains(std::int32_t item) const {
        return words_[static_cast<std::size_t>(item) / 64] >> (item % 64) & 1;
    }
    /// In order, each once. 按序列出，各一次。
    std::vector<std::int32_t> sorted() const {
        std::vector<std::int32_t> items;
        for (std::size_t at = 0; at < words_.size(); ++at)
            for (std::uint64_t left = words_[at]; left != 0; left &= left - 1)
                items.push_back(static_cast<std::int32_t>(at * 64) + std::countr_zero(left));
        return items;
    }

  private:
    std::vector<std::uint64_t> words_;
};

/// All items of a catalogue, less those excluded, or the allowed ones alone. A scan asks only for items that
/// could be among the best, so what is excluded is a sorted list and costs nothing for each item there is.
/// 目录中全部物品去掉被排除者，或仅限允许者。扫描只询问有望入选的物品，故排除集用有序列表表示。
class ItemFilter {
  public:
    explicit ItemFilter(std::int64_t items) : items_(items) {}

    /// Called once, with item indexes in [0, items), in any order, again if need be.
    /// 只调用一次；物品下标，顺序任意，可重复。
    void exclude(std::vector<std::int32_t> items) {
        excluded_ = std::move(items);
        std::sort(excluded_.begin(), excluded_.end());
        excluded_.erase(std::unique(excluded_.begin(), excluded_.end()), excluded_.end());
    }
    /// From now on no other items are admitted; the set must outlive the filter. 此后只允许集合中的物品。
    void allow_only(const ItemSet& items) { allowed_ = &items; }

    bool admits(std::int32_t item) const {
        if (allowed_ && !allowed_->contains(item)) return false;
        return !std::binary_search(excluded_.begin(), excluded_.end(), item);
    }
    std::int64_t items() const { return items_; }
    std::span<const std::int32_t> excluded() const { return excluded_; }

  private:
    std::int64_t items_;
    std::vector<std::int32_t> excluded_;
    const ItemSet* allowed_ = nullptr;
};

}  // namespace seqrec
