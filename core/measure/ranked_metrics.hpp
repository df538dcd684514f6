// Figures of ranked lists, of which each was asked for one item.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/scan/top_k.hpp"

namespace seqrec {

/// One figure; k is 0 where it is of no length of list.
/// 一个指标；与列表长度无关者 k 为 0。
struct Figure {
    std::string metric;
    std::int32_t k;
    double value;

    bool operator==(const Figure&) const = default;
};

/// The rank of an item that is not in a list.
/// 不在列表中的物品的名次。
inline constexpr std::int64_t kNotRanked = std::numeric_limits<std::int64_t>::max();

/// Means over questions of one item each, from its ranks (0 = best): `hr`, `precision`, `recall`, `ndcg`, `mrr`, `map`
/// at k. With one item asked for, recall = hr, precision = hr / k, and map = mrr: the mean of 1 / (rank + 1).
/// 由名次（0 为最佳）计算各指标的均值。每个问题只求一个物品，因此 recall = hr，precision = hr / k，map = mrr。
std::vector<Figure> ranking_figures(std::span<const std::int64_t> ranks, std::int32_t k);

/// The rank of an item in a list that is one longer than any k: those as good or better are before it. kNotRanked
/// when it isn't there, or ties with the last, beyond which more may.
/// 物品在（比任何 k 多一项的）列表中的名次：同分者均排在它之前；不在列表中或与末项同分则为 kNotRanked。
std::int64_t rank_against(std::span<const ScoredItem> list, std::int32_t target, std::size_t longest);

/// The place of an item in a list whose order says more than its scores, as a diverse choice does; kNotRanked when it
/// isn't there.
/// 物品在以次序（而非得分）为准的列表中的位置，如多样性选择的结果；不在其中则为 kNotRanked。
std::int64_t place_in(std::span<const ScoredItem> list, std::int32_t target);

/// What lists are made of, whoever they are for: `coverage` (share of all items that stand in somebody's first k),
/// `novelty` (mean over the lists of the mean -log2 of an item's share of all interactions, an item without any
/// counting one: the self-information of Zhou et al., PNAS 2010) and `diversity` (mean over the lists of two items
/// or more of the mean 1 - cosine of their pairs: Ziegler et al., WWW 2005).
/// 列表构成：coverage（出现在某人前 k 项中的物品占比）、novelty（物品占全部交互之比的 -log2 的均值，
/// 没有交互的按一次计；Zhou 等，PNAS 2010）与 diversity（物品两两 1 - 余弦的均值；Ziegler 等，WWW 2005）。
class ListFigures {
  public:
    /// `ks` in ascending order; `counts`: interactions of each item; `directions`: rows of the items. Both must
    /// outlive it.
    /// ks 升序；counts 为各物品的交互数；directions 为物品的行。两者须长于本对象。
    ListFigures(std::vector<std::int32_t> ks, std::span<const std::int64_t> counts, const Rows& directions,
                bool item_bias = false);

    /// A list, best first.
    /// 一个列表，最佳在前。
    void add(std::span<const ScoredItem> list);
    std::vector<Figure> figures() const;

  private:
    struct Sums {
        double novelty = 0, diversity = 0;
        std::int64_t lists = 0, of_several = 0;
    };

    void add_direction(std::int32_t item);
    void close(std::size_t length, Sums& sums);

    std::vector<std::int32_t> ks_;
    const Rows& directions_;
    std::size_t dim_, compared_;          // columns; those that make a direction: not an item's bias
    std::vector<float> surprise_;         // -log2 of each item's share
    std::vector<std::int32_t> shown_at_;  // the best place of each item
    std::vector<Sums> sums_;
    std::vector<double> direction_;  // sum of the unit rows of the list so far
    double lengths_ = 0, surprises_ = 0;
};

}  // namespace seqrec
