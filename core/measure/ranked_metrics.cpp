#include "core/measure/ranked_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace seqrec {
namespace {

std::vector<float> surprises(std::span<const std::int64_t> counts) {
    const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
    std::vector<float> bits;
    for (const std::int64_t count : counts)
        bits.push_back(static_cast<float>(
            -std::log2(static_cast<double>(std::max<std::int64_t>(count, 1)) / std::max(total, 1.0))));
    return bits;
}

double mean_of(double sum, std::int64_t count) {
    return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

std::vector<Figure> ranking_figures(std::span<const std::int64_t> ranks, std::int32_t k) {
    double hits = 0, gain = 0, reciprocal = 0;
    for (const std::int64_t rank : ranks) {
        if (rank >= k) continue;
        ++hits;
        gain += 1 / std::log2(static_cast<double>(rank) + 2);
        reciprocal += 1 / (static_cast<double>(rank) + 1);
    }
    const auto mean = [&](double sum) { return mean_of(sum, std::ssize(ranks)); };
    return {{"hr", k, mean(hits)},   {"precision", k, mean(hits) / k}, {"recall", k, mean(hits)},
            {"ndcg", k, mean(gain)}, {"mrr", k, mean(reciprocal)},     {"map", k, mean(reciprocal)}};
}

std::int64_t rank_against(std::span<const ScoredItem> list, std::int32_t target, std::size_t longest) {
    const auto found = std::ranges::find(list, target, &ScoredItem::item);
    if (found == list.end()) return kNotRanked;
    const auto worse =
        std::find_if(found, list.end(), [&](const ScoredItem& item) { return item.score < found->score; });
    if (worse == list.end() && list.size() >= longest) return kNotRanked;
    return worse - list.begin() - 1;
}

std::int64_t place_in(std::span<const ScoredItem> list, std::int32_t target) {
    const auto found = std::ranges::find(list, target, &ScoredItem::item);
    return found == list.end() ? kNotRanked : found - list.begin();
}

ListFigures::ListFigures(std::vector<std::int32_t> ks, std::span<const std::int64_t> counts,
                         const Rows& directions, bool item_bias)
    : ks_(std::move(ks)),
      directions_(directions),
      dim_(counts.empty() ? 0 : directions.matrix.size() / counts.size()),
      compared_(dim_ - (item_bias && dim_ > 0 ? 1 : 0)),
      surprise_(surprises(counts)),
      shown_at_(counts.size(), std::numeric_limits<std::int32_t>::max()),
      sums_(ks_.size()),
      direction_(dim_) {}

void ListFigures::add_direction(std::int32_t item) {
    const auto at = static_cast<std::size_t>(item);
    const auto unit = static_cast<double>(directions_.unit[at]);
    double length = 0;
    for (std::size_t d = 0; d < compared_; ++d) {
        const double x = unit * static_cast<double>(directions_.matrix[at * dim_ + d]);
        direction_[d] += x;
        length += x * x;
    }
    lengths_ += length;
}

/// Of all pairs the cosines sum up to half of what the square of the summed directions has beyond their own.
void ListFigures::close(std::size_t length, Sums& sums) {
    ++sums.lists;
    sums.novelty += surprises_ / static_cast<double>(length);
    if (length < 2) return;
    const double square = std::inner_product(direction_.begin(), direction_.end(), direction_.begin(), 0.0);
    const double pairs = static_cast<double>(length) * static_cast<double>(length - 1) / 2;
    ++sums.of_several;
    sums.diversity += 1 - (square - lengths_) / 2 / pairs;
}

void ListFigures::add(std::span<const ScoredItem> list) {
    std::ranges::fill(direction_, 0.0);
    lengths_ = surprises_ = 0;
    std::size_t next = 0;
    for (std::size_t i = 0; i < list.size() && next < ks_.size(); ++i) {
        const auto item = static_cast<std::size_t>(list[i].item);
        shown_at_[item] = std::min(shown_at_[item], static_cast<std::int32_t>(i));
        surprises_ += static_cast<double>(surprise_[item]);
        add_direction(list[i].item);
        if (static_cast<std::int32_t>(i) + 1 == ks_[next]) close(i + 1, sums_[next++]);
    }
    for (; next < ks_.size() && !list.empty(); ++next) close(list.size(), sums_[next]);
}

std::vector<Figure> ListFigures::figures() const {
    std::vector<Figure> figures;
    for (std::size_t i = 0; i < ks_.size(); ++i) {
        const auto shown = std::ranges::count_if(shown_at_, [&](std::int32_t at) { return at < ks_[i]; });
        figures.push_back({"coverage", ks_[i], mean_of(static_cast<double>(shown), std::ssize(shown_at_))});
        figures.push_back({"novelty", ks_[i], mean_of(sums_[i].novelty, sums_[i].lists)});
        figures.push_back({"diversity", ks_[i], mean_of(sums_[i].diversity, sums_[i].of_several)});
    }
    return figures;
}

}  // namespace seqrec
