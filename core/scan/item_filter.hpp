// Which items an answer may hold.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace seqrec {

/// Some of a catalogue's items, a bit for each there is.
/// 目录中的部分物品，每个物品一位。
class ItemSet {
  public:
    ItemSet() = default;
    /// None of `count` items.
    /// count 个物品中的空集。
    explicit ItemSet(std::int64_t count) : words_((static_cast<std::size_t>(count) + 63) / 64) {}
    /// Item indexes in [0, count), in any order, again if need be.
    /// 物品下标，顺序任意，可重复。
    ItemSet(std::int64_t count, std::span<const std::int32_t> items) : ItemSet(count) { add(items); }

    /// Adds items; -1 is none.
    /// 加入物品；-1 表示没有。
    void add(std::span<const std::int32_t> items) {
        for (const std::int32_t item : items)
            if (item >= 0) words_[static_cast<std::size_t>(item) / 64] |= 1ULL << (item % 64);
    }

    bool contains(std::int32_t item) const {
        return words_[static_cast<std::size_t>(item) / 64] >> (item % 64) & 1;
    }
    std::size_t size() const {
        std::size_t size = 0;
        for (const std::uint64_t word : words_) size += static_cast<std::size_t>(std::popcount(word));
        return size;
    }
    /// In order, each once.
    /// 按序列出，各一次。
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

/// A few of a catalogue's items, however large it is: open addressing with linear probing.
/// 目录中的少量物品，占用与目录大小无关：开放寻址、线性探测。
class FewItems {
  public:
    FewItems() = default;
    /// Item indexes that are not negative, in any order, again if need be.
    /// 非负的物品下标，顺序任意，可重复。
    explicit FewItems(std::span<const std::int32_t> items) : slots_(std::bit_ceil(2 * items.size() + 1), -1) {
        for (const std::int32_t item : items) {
            std::int32_t& slot = slots_[slot_of(item)];
            size_ += slot < 0;
            slot = item;
        }
    }

    std::size_t size() const { return size_; }
    bool contains(std::int32_t item) const { return size_ > 0 && slots_[slot_of(item)] == item; }

  private:
    /// Where the item is, or the empty slot where it would go: one half of them are.
    std::size_t slot_of(std::int32_t item) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t slot = (static_cast<std::uint32_t>(item) * 0x9e3779b1u >> 7) & mask;
        while (slots_[slot] >= 0 && slots_[slot] != item) slot = (slot + 1) & mask;
        return slot;
    }

    std::vector<std::int32_t> slots_;
    std::size_t size_ = 0;
};

/// All items of a catalogue, less those excluded, or the allowed ones alone. A scan asks only for items that
/// could be among the best, so what is excluded costs nothing for each item there is.
/// 目录中全部物品去掉被排除者，或仅限允许者。扫描只询问有望入选的物品。
class ItemFilter {
  public:
    explicit ItemFilter(std::int64_t items) : items_(items) {}

    /// From now on these are not admitted, and no others are excluded.
    /// 此后排除且仅排除这些物品。
    void exclude(std::span<const std::int32_t> items) { excluded_ = FewItems(items); }
    /// From now on no other items are admitted; the set must outlive the filter.
    /// 此后只允许集合中的物品。
    void allow_only(const ItemSet& items) { allowed_ = &items; }

    bool admits(std::int32_t item) const {
        return !(allowed_ && !allowed_->contains(item)) && !excluded_.contains(item);
    }
    std::int64_t items() const { return items_; }
    /// How many items are excluded.
    /// 被排除的物品数。
    std::size_t excluded() const { return excluded_.size(); }

  private:
    std::int64_t items_;
    FewItems excluded_;
    const ItemSet* allowed_ = nullptr;
};

}  // namespace seqrec
