#include "core/ages.hpp"

#include <algorithm>
#include <bit>

namespace seqrec {

std::vector<AgedItem> ages_of(std::span<const std::int32_t> clicks) {
    std::vector<AgedItem> items;
    for (std::size_t back = 0; back < std::min(clicks.size(), kMostAged); ++back)
        items.push_back({clicks[clicks.size() - 1 - back], static_cast<int>(std::bit_width(back))});
    const auto by_item = [](const AgedItem& a, const AgedItem& b) { return a.item < b.item; };
    std::ranges::stable_sort(items, by_item);  // of one item the latest stays the first
    const auto same = [](const AgedItem& a, const AgedItem& b) { return a.item == b.item; };
    items.erase(std::unique(items.begin(), items.end(), same), items.end());
    return items;
}

}  // namespace seqrec
