// How long ago the items of a user's clicks were clicked last, as models with repeats tell it apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace seqrec {

/// Ages of an item: the latest click 0, the one before 1, then 2 to 3, 4 to 7, and so on up to 127 clicks
/// ago.
/// 物品的新旧程度：最近一次点击为 0，前一次为 1，其后 2–3、4–7，依次翻倍，直到 127 次点击之前。
inline constexpr int kAges = 8;
/// Most items that have an age: one a click.
/// 有新旧程度的物品的最大数量。
inline constexpr std::size_t kMostAged = std::size_t{1} << (kAges - 1);

struct AgedItem {
    std::int32_t item, age;
};

/// The items of the clicks, oldest first, that have an age, each once, by its latest place; sorted by item.
/// 点击（最早的在前）中有新旧程度的物品，各一次，以最近的位置为准，按物品排序。
std::vector<AgedItem> ages_of(std::span<const std::int32_t> clicks);

}  // namespace seqrec
