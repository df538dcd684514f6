// The ten best of many scores.
#pragma once

#include <cstdint>
#include <span>

namespace seqrec::trainer {

/// Keeps the ten highest scores offered, of equal ones the first.
/// 保留得分最高的十个；同分时先到者优先。
class TenBest {
  public:
    static constexpr std::int64_t kTop = 10;

    /// Whether a score would be kept.
    /// 该得分是否会被保留。
    bool wants(float score) const { return found_ < kTop || score > scores_[kTop - 1]; }

    void add(float score, std::int64_t item) {
        if (!wants(score)) return;
        std::int64_t at = found_ < kTop ? found_++ : kTop - 1;
        for (; at > 0 && scores_[at - 1] < score; --at) {
            scores_[at] = scores_[at - 1];
            items_[at] = items_[at - 1];
        }
        scores_[at] = score;
        items_[at] = item;
    }
    /// Best first.
    /// 从高到低。
    std::span<const std::int64_t> items() const { return {items_, static_cast<std::size_t>(found_)}; }

  private:
    std::int64_t found_ = 0;
    float scores_[kTop];
    std::int64_t items_[kTop];
};

}  // namespace seqrec::trainer
