// The two baselines that every model is held against, counted on the training part.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.hpp"

namespace seqrec::trainer {

struct BaselineRanks {
    std::vector<std::int64_t> popularity,
        markov;  // of the test items, one a user, 0 = best
};

/// Ranks of the test items, among the items that the user has not seen: by popularity, and by a first-order
/// Markov chain (how often an item followed the user's latest one, then popularity). Ties by smaller index.
/// 测试物品在未看过物品中的名次：按热门度，以及一阶马尔可夫链（跟随最近物品的次数，再按热门度）。同分下标小者在前。
BaselineRanks rank_baselines(const Dataset& data, const std::vector<std::int32_t>& users);

}  // namespace seqrec::trainer
