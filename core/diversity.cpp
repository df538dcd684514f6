#include "core/diversity.hpp"

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "core/scan/dot_product.hpp"

namespace seqrec {
namespace {

constexpr std::int64_t kCandidatesPerItem = 5, kLeastCandidates = 50;
constexpr float kChosen = -std::numeric_limits<float>::infinity();

/// A damaged model's scores may be infinite, and their difference no number.
double finite(float score) {
    return static_cast<double>(
        std::clamp(score, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max()));
}

/// What is left to choose from.
class Remaining {
  public:
    Remaining(const DiverseCandidates& from, float diversity)
        : rows_(from.directions),
          diversity_(diversity),
          dim_(from.relevance.empty() ? 0 : from.directions.size() / from.relevance.size()),
          worth_(from.relevance.begin(), from.relevance.end()),
          nearest_(worth_.size(), 0),
          cosine_(worth_.size()) {
        if (dim_ * worth_.size() != rows_.size())
            throw Error(sqlstate::kInternal, "sizes of a diverse choice do not agree");
        for (float& worth : worth_) worth *= 1 - diversity;
    }

    std::size_t size() const { return worth_.size(); }

    void choose(std::size_t at) {
        worth_[at] = kChosen;
        dot_products(rows_.data(), size(), dim_, rows_.data() + at * dim_, cosine_.data());
        for (std::size_t i = 0; i < size();
             ++i)  // of a damaged row it may be anything, and raises nothing if no number
            nearest_[i] = cosine_[i] > nearest_[i] ? std::min(cosine_[i], 1.0f) : nearest_[i];
    }

    std::size_t best() const {
        std::size_t best = 0;
        float most = kChosen;
        for (std::size_t i = 0; i < size(); ++i)
            if (const float gain = worth_[i] - diversity_ * nearest_[i]; gain > most) most = gain, best = i;
        return best;
    }

  private:
    std::span<const float> rows_;
    float diversity_;
    std::size_t dim_;
    std::vector<float> worth_;    // (1 - diversity) * relevance
    std::vector<float> nearest_;  // the largest cosine with those chosen
    std::vector<float> cosine_;
};

}  // namespace

std::int64_t candidates_of_diverse(std::int64_t k, std::int64_t items) {
    return std::min(std::max(kCandidatesPerItem * std::min(k, items), kLeastCandidates), items);
}

std::vector<float> relevance_by_score(std::span<const ScoredItem> candidates) {
    std::vector<float> relevance(candidates.size(), 1);
    if (candidates.empty()) return relevance;
    const double least = finite(candidates.back().score), range = finite(candidates.front().score) - least;
    if (!(range > 0)) return relevance;
    for (std::size_t i = 0; i < candidates.size(); ++i)
        relevance[i] = static_cast<float>((finite(candidates[i].score) - least) / range);
    return relevance;
}

std::vector<float> relevance_by_place(std::size_t candidates) {
    std::vector<float> relevance(candidates, 1);
    for (std::size_t i = 1; i < candidates; ++i)
        relevance[i] = static_cast<float>(candidates - 1 - i) / static_cast<float>(candidates - 1);
    return relevance;
}

std::vector<std::size_t> choose_diverse(const DiverseCandidates& candidates, std::size_t k, float diversity,
                                        const Poll& poll) {
    Remaining remaining(candidates, diversity);
    std::vector<std::size_t> chosen;
    const std::size_t wanted = std::min(k, remaining.size());
    for (std::size_t next = 0; chosen.size() < wanted; next = remaining.best()) {
        if (poll) poll();
        chosen.push_back(next);
        if (chosen.size() < wanted) remaining.choose(next);
    }
    return chosen;
}

}  // namespace seqrec
