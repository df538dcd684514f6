// The best k of what is offered.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/poll.hpp"

namespace seqrec {

struct ScoredItem {
    std::int32_t item;
    float score;
};

/// Higher scores first, equal ones by index; no comparison with a NaN holds.
/// 得分高者在前，同分按下标。
inline bool better(const ScoredItem& a, const ScoredItem& b) {
    return a.score > b.score || (a.score == b.score && a.item < b.item);
}

/// The best k of the items offered whose score is at least `least`: a heap with the worst on top. Items may
/// come in any order, each once.
/// 得分不低于 least 的前 k 个物品：堆顶为最差者；物品可按任意顺序提供，各一次。
class Best {
  public:
    Best(std::int64_t k, std::int64_t items, float least)
        : limit_(static_cast<std::size_t>(std::clamp<std::int64_t>(k, 0, items))), bound_(least) {
        heap_.reserve(limit_);
    }

    bool wants_none() const { return limit_ == 0; }
    bool full() const { return heap_.size() == limit_; }
    /// What a score must reach to be of interest.
    /// 有意义的最低得分。
    float bound() const { return bound_; }

    void offer(const ScoredItem& item) {
        if (!(item.score >= bound_)) return;
        if (full()) {
            if (!better(item, heap_.front())) return;
            std::pop_heap(heap_.begin(), heap_.end(), better);
            heap_.back() = item;
        } else {
            heap_.push_back(item);
        }
        std::push_heap(heap_.begin(), heap_.end(), better);
        if (full()) bound_ = heap_.front().score;
    }

    /// What std::sort_heap does, with a poll now and then, since k may be every item there is.
    /// 等同于 std::sort_heap，其间调用 poll。
    std::vector<ScoredItem> sorted(const Poll& poll) && {
        for (auto size = static_cast<std::ptrdiff_t>(heap_.size()); size > 1; --size) {
            if (poll && size % kPollEvery == 0) poll();
            std::pop_heap(heap_.begin(), heap_.begin() + size, better);
        }
        return std::move(heap_);
    }

  private:
    std::size_t limit_;
    float bound_;
    std::vector<ScoredItem> heap_;
};

}  // namespace seqrec
