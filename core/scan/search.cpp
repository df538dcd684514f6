#include "core/scan/search.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "core/error.hpp"

namespace seqrec {
namespace {

constexpr std::size_t kBlockGroups = 16;           // scored by one call of a kernel
constexpr std::size_t kMostTogether = 4;           // searches in one call of a kernel
constexpr std::size_t kMostCandidates = 1u << 18;  // 2 MiB

/// The kernel of this CPU.
const CodeKernel& kernel() {
    static const CodeKernel& fastest = code_kernels().front();
    return fastest;
}

/// The masks of four groups as one number, the first group's lowest: nearly all are empty.
constexpr std::size_t kGroupsOfWord = 4;
static_assert(kBlockGroups % kGroupsOfWord == 0 && std::endian::native == std::endian::little);
std::uint64_t word_at(const std::uint16_t* mask) {
    std::uint64_t word;
    std::memcpy(&word, mask, sizeof word);
    return word;
}

/// Of a whole block at once: what most blocks come to.
bool none_in(const std::array<std::uint16_t, kBlockGroups>& mask) {
    std::uint64_t any = 0;
    for (std::size_t g = 0; g < kBlockGroups; g += kGroupsOfWord) any |= word_at(&mask[g]);
    return any == 0;
}

/// Puts a number in the place of the least of a heap: one way down, where taking out and putting in are two.
void replace_least(std::vector<float>& heap, float value) {
    std::size_t at = 0;
    for (std::size_t child; (child = 2 * at + 1) < heap.size(); at = child) {
        child += child + 1 < heap.size() && heap[child + 1] < heap[child];
        if (!(heap[child] < value)) break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

}  // namespace

Search::Search(const Codes& codes, std::span<const float> query, const ItemFilter& filter,
               const Wanted& wanted)
    : codes_(codes),
      query_(query),
      filter_(filter),
      wanted_{std::clamp<std::int64_t>(wanted.k, 0, filter.items()), wanted.min_score},
      coded_(query, codes),
      bound_(wanted.min_score),
      room_(std::min<std::size_t>(kMostCandidates, 1024 + 4 * static_cast<std::size_t>(wanted_.k))) {
    lowers_.reserve(static_cast<std::size_t>(wanted_.k));
}

/// Blocks grow from one group on: until there are k lower bounds every item is met, and each further block
/// of as many items as there were before meets about k.
void Search::scan(std::span<Search> searches, std::size_t first, std::size_t count) {
    if (searches.empty()) return;
    const std::size_t together = std::min(kernel().together, kMostTogether);
    for (std::size_t at = first, groups; at < first + count; at += groups) {
        groups =
            std::clamp<std::size_t>(searches.front().scanned_, 1, std::min(kBlockGroups, first + count - at));
        for (std::size_t i = 0; i < searches.size(); i += together)
            scan_block(searches.subspan(i, std::min(together, searches.size() - i)), at, groups);
    }
}

void Search::scan_block(std::span<Search> searches, std::size_t first, std::size_t groups) {
    std::array<std::array<float, kBlockGroups * kGroupRows>, kMostTogether> upper;
    std::array<std::array<std::uint16_t, kBlockGroups>, kMostTogether> mask{};
    std::array<Scoring, kMostTogether> scorings;
    for (std::size_t i = 0; i < searches.size(); ++i)
        scorings[i] = {&searches[i].coded_, searches[i].bound_, upper[i].data(), mask[i].data()};
    const Codes& codes = searches.front().codes_;
    const std::size_t slot = first * kGroupRows;
    kernel().run(codes.values.data() + slot * codes.depth, codes.scale.data() + slot, groups,
                 std::span(scorings).first(searches.size()));
    for (Search& search : searches) search.scanned_ += groups;
    for (std::size_t i = 0; i < searches.size(); ++i) {
        if (none_in(mask[i])) continue;
        for (std::size_t g = 0; g < groups; g += kGroupsOfWord)
            for (std::uint64_t left = word_at(&mask[i][g]); left != 0; left &= left - 1) {
                const std::size_t at = g * kGroupRows + static_cast<std::size_t>(std::countr_zero(left));
                searches[i].meet(slot + at, upper[i][at]);
            }
    }
}

void Search::meet(std::size_t slot, float upper) {
    const std::int32_t item = codes_.item[slot];
    if (upper < bound_ || item < 0 || wanted_.k == 0) return;
    if (item >= filter_.items()) throw Error(sqlstate::kDataCorrupted, "a slot's item is out of range");
    if (!filter_.admits(item)) return;
    candidates_.push_back({item, upper});
    raise_bound(upper - 2 * (codes_.scale[slot] * coded_.slack + coded_.margin));
    if (candidates_.size() >= room_) drop_hopeless();
}

void Search::raise_bound(float lower) {
    const auto wanted = static_cast<std::size_t>(wanted_.k);
    if (std::isnan(lower)) return;  // of a damaged row
    if (lowers_.size() == wanted) {
        if (!(lower > lowers_.front())) return;
        replace_least(lowers_, lower);
    } else {
        lowers_.push_back(lower);
        std::push_heap(lowers_.begin(), lowers_.end(), std::greater<>());
    }
    if (lowers_.size() == wanted) bound_ = std::max(bound_, lowers_.front());
}

void Search::drop_hopeless() {
    drop_below(bound_);
    if (candidates_.size() < room_ / 2) return;
    room_ *= 2;
    if (room_ <= kMostCandidates) return;
    undecided_ = true;
    wanted_.k = 0;  // nothing more is met
    bound_ = std::numeric_limits<float>::infinity();
    candidates_.clear();
}

void Search::drop_below(float bound) {
    std::erase_if(candidates_, [bound](const Candidate& candidate) { return candidate.upper < bound; });
}

/// The highest upper bounds first: once some are scored, most of the others are out, so that only what is left is sorted.
std::vector<ScoredItem> Search::best(const Rows& rows, const Poll& poll) && {
    constexpr std::size_t kAtOnce = 32;
    const auto higher = [](const Candidate& a, const Candidate& b) {
        return a.upper > b.upper || (a.upper == b.upper && a.item < b.item);
    };
    Best best(wanted_.k, filter_.items(), wanted_.min_score);
    const auto score = [&](std::span<const Candidate> some) {
        std::array<std::int32_t, kAtOnce> items;
        std::array<float, kAtOnce> scores;
        for (std::size_t i = 0; i < some.size(); ++i) items[i] = some[i].item;
        rows.score(std::span(items).first(some.size()), query_, scores);
        for (std::size_t i = 0; i < some.size(); ++i) best.offer({items[i], scores[i]});
    };
    drop_below(bound_);
    if (candidates_.size() > kAtOnce) {
        std::nth_element(candidates_.begin(), candidates_.begin() + kAtOnce, candidates_.end(), higher);
        score(std::span(candidates_).first(kAtOnce));
        candidates_.erase(candidates_.begin(), candidates_.begin() + kAtOnce);
        drop_below(best.bound());
    }
    std::sort(candidates_.begin(), candidates_.end(), higher);
    for (std::size_t at = 0; at < candidates_.size() && candidates_[at].upper >= best.bound(); at += kAtOnce)
        score(std::span(candidates_).subspan(at, std::min(kAtOnce, candidates_.size() - at)));
    return std::move(best).sorted(poll);
}

}  // namespace seqrec
