#include "core/scan/top_k.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.hpp"
#include "core/scan/dot_product.hpp"

namespace seqrec {
namespace {

constexpr std::size_t kBlockRows = 256;  // rows scored at once: their scores stay in the first-level cache
static_assert(kPollEvery % kBlockRows == 0);

bool any_reaches(std::span<const float> scores, float bound) {
    unsigned any = 0;
    for (const float score : scores) any |= static_cast<unsigned>(score >= bound);
    return any != 0;
}

/// Offers a block of items that begins at `first`. Nearly all of a scan's items are no candidates, and a loop
/// without branches finds out faster, several at a time.
void offer_block(Best& best, const ItemFilter& filter, std::size_t first, std::span<const float> scores) {
    constexpr std::size_t kGroup = 32;
    for (std::size_t at = 0; at < scores.size(); at += kGroup) {
        const auto group = scores.subspan(at, std::min(kGroup, scores.size() - at));
        if (!any_reaches(group, best.bound())) continue;
        for (std::size_t i = 0; i < group.size(); ++i) {
            const ScoredItem item{static_cast<std::int32_t>(first + at + i), group[i]};
            if (item.score >= best.bound() && filter.admits(item.item)) best.offer(item);
        }
    }
}

/// Asks for a row's memory.
void prefetch(const float* row, std::size_t dim) {
    constexpr std::size_t kLine = 64 / sizeof(float);
    for (std::size_t j = 0; j < dim; j += kLine) __builtin_prefetch(row + j);
}

[[noreturn]] void sizes_differ() { throw Error(sqlstate::kInternal, "sizes of a top-k scan do not agree"); }

void check(const ItemFilter& filter, std::size_t items) {
    if (items > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) ||
        filter.items() != static_cast<std::int64_t>(items))
        sizes_differ();
}

void check(const Rows& rows, std::size_t dim) {
    const std::size_t items = rows.unit.size();
    if (dim == 0 ? !rows.matrix.empty() : rows.matrix.size() % dim != 0 || rows.matrix.size() / dim != items)
        sizes_differ();
}

}  // namespace

void Rows::score(std::span<const std::int32_t> items, std::span<const float> query,
                 std::span<float> out) const {
    const std::size_t dim = query.size(),
                      step = std::max<std::size_t>(1, 8192 / std::max<std::size_t>(dim, 1));
    constexpr std::size_t kAhead = 8;  // rows, which a third more of are scored for it
    std::vector<float> copies(std::min(step, items.size()) * dim);  // the copies' cache misses overlap
    const auto row_of = [&](std::int32_t item) {
        return matrix.data() + static_cast<std::size_t>(item) * dim;
    };
    for (std::size_t at = 0; at < items.size(); at += step) {
        const auto some = items.subspan(at, std::min(step, items.size() - at));
        for (std::size_t i = 0; i < some.size(); ++i) {
            if (i + kAhead < some.size()) prefetch(row_of(some[i + kAhead]), dim);
            std::copy_n(row_of(some[i]), dim, copies.data() + i * dim);
        }
        dot_products(copies.data(), some.size(), dim, query.data(), out.data() + at);
        for (std::size_t i = 0; i < some.size(); ++i) out[at + i] *= unit[static_cast<std::size_t>(some[i])];
    }
}

std::vector<ScoredItem> top_k(const Rows& rows, std::span<const float> query, const ItemFilter& filter,
                              const Wanted& wanted, const Poll& poll) {
    const std::size_t items = rows.unit.size(), dim = query.size();
    check(filter, items);
    check(rows, dim);
    Best best(wanted.k, filter.items(), wanted.min_score);
    if (best.wants_none()) return {};
    std::array<float, kBlockRows> scores;
    for (std::size_t first = 0; first < items; first += kBlockRows) {
        if (poll && first % kPollEvery == 0) poll();
        const std::size_t count = std::min(kBlockRows, items - first);
        dot_products(rows.matrix.data() + first * dim, count, dim, query.data(), scores.data());
        for (std::size_t i = 0; i < count; ++i) scores[i] *= rows.unit[first + i];
        offer_block(best, filter, first, std::span(scores).first(count));
    }
    return std::move(best).sorted(poll);
}

std::vector<ScoredItem> top_k(std::span<const float> scores, const ItemFilter& filter, const Wanted& wanted,
                              const Poll& poll) {
    check(filter, scores.size());
    Best best(wanted.k, filter.items(), wanted.min_score);
    if (best.wants_none()) return {};
    for (std::size_t first = 0; first < scores.size(); first += kBlockRows) {
        if (poll && first % kPollEvery == 0) poll();
        offer_block(best, filter, first, scores.subspan(first, std::min(kBlockRows, scores.size() - first)));
    }
    return std::move(best).sorted(poll);
}

std::vector<ScoredItem> top_k_of(std::span<const std::int32_t> items, const Rows& rows,
                                 std::span<const float> query, const ItemFilter& filter, const Wanted& wanted,
                                 const Poll& poll) {
    Best best(wanted.k, filter.items(), wanted.min_score);
    std::array<float, kBlockRows> scores;
    for (std::size_t at = 0; at < items.size() && !best.wants_none(); at += kBlockRows) {
        if (poll && at % kPollEvery == 0) poll();
        const auto some = items.subspan(at, std::min(kBlockRows, items.size() - at));
        rows.score(some, query, std::span(scores).first(some.size()));
        for (std::size_t i = 0; i < some.size(); ++i)
            if (scores[i] >= best.bound() && filter.admits(some[i])) best.offer({some[i], scores[i]});
    }
    return std::move(best).sorted(poll);
}

}  // namespace seqrec
