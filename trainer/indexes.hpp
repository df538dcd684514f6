// Lists of indexes of items or users.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace seqrec::trainer {

using Indexes = std::vector<std::int32_t>;

/// Sorts, and leaves each once. 排序并去除重复。
inline void sort_unique(Indexes& indexes) {
    std::ranges::sort(indexes);
    indexes.erase(std::ranges::unique(indexes).begin(), indexes.end());
}

/// Where a value is in sorted indexes that have it. 某个值在已排序且含有它的列表中的位置。
inline std::int32_t place_of(const Indexes& sorted, std::int32_t value) {
    return static_cast<std::int32_t>(std::ranges::lower_bound(sorted, value) - sorted.begin());
}

}  // namespace seqrec::trainer
