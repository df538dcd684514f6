#include "core/scan/lists.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "core/scan/codes.hpp"
#include "core/scan/dot_product.hpp"

namespace seqrec {

std::pair<std::size_t, std::size_t> Lists::groups(std::int32_t list) const {
    const auto at = static_cast<std::size_t>(list);
    const std::int64_t first = first_group[at], end = first_group[at + 1];
    if (first < 0 || end < first || end > group_count)
        throw Error(sqlstate::kDataCorrupted, "a list of the index leaves the codes");
    return {static_cast<std::size_t>(first), static_cast<std::size_t>(end - first)};
}

std::vector<std::int32_t> Lists::nearest(std::span<const float> query, std::int64_t wanted_probes,
                                         std::int64_t k, std::int64_t rows) const {
    const auto count = static_cast<std::size_t>(size());
    std::vector<float> scores(count);
    dot_products(centroid.data(), count, query.size(), query.data(), scores.data());
    // A longer answer reaches further out: the radius of a ball of k points grows slower than k.
    const double more = std::sqrt(std::max(1.0, static_cast<double>(k) / 10));
    const auto first = static_cast<std::size_t>(std::clamp<std::int64_t>(
        wanted_probes > 0 ? wanted_probes
                          : static_cast<std::int64_t>(std::ceil(more * static_cast<double>(probes))),
        1, size()));
    std::vector<std::int32_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    const auto nearer = [&](std::int32_t a, std::int32_t b) {
        const float x = scores[static_cast<std::size_t>(a)], y = scores[static_cast<std::size_t>(b)];
        return x > y || (x == y && a < b);
    };
    std::size_t sorted = first, taken = 0;
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(sorted), order.end(),
                      nearer);
    // The last group of a list may be filled up with as few as one row.
    for (std::int64_t held = 0; taken < count && (taken < first || held < rows); ++taken) {
        if (taken == sorted) {
            std::sort(order.begin() + static_cast<std::ptrdiff_t>(sorted), order.end(), nearer);
            sorted = count;
        }
        const std::size_t groups_held = groups(order[taken]).second;
        held += groups_held == 0 ? 0 : static_cast<std::int64_t>((groups_held - 1) * kGroupRows + 1);
    }
    order.resize(taken);
    return order;
}

}  // namespace seqrec
