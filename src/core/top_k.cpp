#include "core/top_k.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "core/dot_product.hpp"
#include "core/error.hpp"

namespace seqrec {
namespace {

constexpr std::size_t kBlock = 256;  // rows scored at once: their scores stay in the first-level cache
static_assert(kPollEvery % kBlock == 0);

bool better(const ScoredItem& a, const ScoredItem& b) {
    return a.score > b.score || (a.score == b.score && a.item < b.item);
}

/// The best k of the items offered, in order of their indexes: a heap with the worst on top.
class Best {
  public:
    Best(std::int64_t k, std::size_t items, const ItemSet& excluded)
        : limit_(static_cast<std::size_t>(std::clamp<std::int64_t>(k, 0, static_cast<std::int64_t>(items)))),
          excluded_(excluded) {
        heap_.reserve(limit_);
    }

    bool wants_none() const { return limit_ == 0; }

    /// Offers a block of items that begins at `first`. Nearly all of a scan's items are no candidates, and a
    /// loop without branches finds out faster, several at a time.
    void offer(std::size_t first, std::span<const float> scores) {
        for (std::size_t at = 0; at < scores.size(); at += kGroup) {
            const auto group = scores.subspan(at, std::min(kGroup, scores.size() - at));
            if (full_ && !any_above(group, worst_)) continue;
            for (std::size_t i = 0; i < group.size(); ++i) offer(first + at + i, group[i]);
        }
    }

    /// What std::sort_heap does, with a poll now and then, since k may be every item there is.
    std::vector<ScoredItem> sorted(const Poll& poll) && {
        for (auto size = static_cast<std::ptrdiff_t>(heap_.size()); size > 1; --size) {
            if (poll && size % kPollEvery == 0) poll();
            std::pop_heap(heap_.begin(), heap_.begin() + size, better);
        }
        return std::move(heap_);
    }

  private:
    static constexpr std::size_t kGroup = 32;

    static bool any_above(std::span<const float> scores, float bound) {
        unsigned any = 0;
        for (const float score : scores) any |= static_cast<unsigned>(score > bound);
        return any != 0;
    }

    /// An item that only equals the worst loses to it, having the larger index; no comparison with a NaN
    /// holds.
    void offer(std::size_t item, float score) {
        if (!(full_ ? score > worst_ : score == score)) return;
        const ScoredItem candidate{static_cast<std::int32_t>(item), score};
        if (excluded_.contains(candidate.item)) return;
        if (full_) {
            std::pop_heap(heap_.begin(), heap_.end(), better);
            heap_.back() = candidate;
        } else {
            heap_.push_back(candidate);
        }
        std::push_heap(heap_.begin(), heap_.end(), better);
        full_ = heap_.size() == limit_;
        worst_ = heap_.front().score;
    }

    std::size_t limit_;
    const ItemSet& excluded_;
    std::vector<ScoredItem> heap_;
    bool full_ = false;
    float worst_ = 0;
};

void check_sizes(std::size_t items, const ItemSet& excluded) {
    if (items > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) || !excluded.covers(items))
        throw Error(sqlstate::kInternal, "sizes of a top-k scan do not agree");
}

}  // namespace

std::vector<ScoredItem> top_k(std::span<const float> matrix, std::span<const float> scale,
                              std::span<const float> query, const ItemSet& excluded, std::int64_t k,
                              const Poll& poll) {
    const std::size_t items = scale.size(), dim = query.size();
    check_sizes(items, excluded);
    if (dim == 0 ? !matrix.empty() : matrix.size() % dim != 0 || matrix.size() / dim != items)
        throw Error(sqlstate::kInternal, "sizes of a top-k scan do not agree");
    Best best(k, items, excluded);
    if (best.wants_none()) return {};
    std::array<float, kBlock> scores;
    for (std::size_t first = 0; first < items; first += kBlock) {
        if (poll && first % kPollEvery == 0) poll();
        const std::size_t count = std::min(kBlock, items - first);
        dot_products(matrix.data() + first * dim, count, dim, query.data(), scores.data());
        for (std::size_t i = 0; i < count; ++i) scores[i] *= scale[first + i];
        best.offer(first, std::span(scores).first(count));
    }
    return std::move(best).sorted(poll);
}

std::vector<ScoredItem> top_k(std::span<const float> scores, const ItemSet& excluded, std::int64_t k,
                              const Poll& poll) {
    check_sizes(scores.size(), excluded);
    Best best(k, scores.size(), excluded);
    if (best.wants_none()) return {};
    for (std::size_t first = 0; first < scores.size(); first += kBlock) {
        if (poll && first % kPollEvery == 0) poll();
        best.offer(first, scores.subspan(first, std::min(kBlock, scores.size() - first)));
    }
    return std::move(best).sorted(poll);
}

}  // namespace seqrec
