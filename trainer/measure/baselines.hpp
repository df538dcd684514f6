// The baselines that every model is held against, counted on the training part.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.hpp"

namespace seqrec::trainer {

/// Of the items asked for, one a question, 0 = best.
/// 每个问题所求物品的名次，0 为最佳。
struct BaselineRanks {
    std::vector<std::int64_t> popularity, markov, personal;
};

/// Ranks of the items asked for: by popularity; by a first-order Markov chain (how often an item followed the
/// latest one, then popularity); and by what the user had most often, of equals the latest, then popularity.
/// Ties by smaller index. Where repeats are reduced, what the user has seen is not ranked, and the third is
/// the first.
/// 所求物品的名次：按热门度；按一阶马尔可夫链（跟随最近物品的次数，再按热门度）；
/// 按用户自己最常（次数相同则最近）的物品，再按热门度。同分下标小者在前；不保留重复时不对看过的物品排名。
BaselineRanks rank_baselines(const Dataset& data, const std::vector<Question>& questions);

}  // namespace seqrec::trainer
