// Full-catalogue ranking of held-out items.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/dataset.hpp"
#include "kinds/weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// At most `limit` users, evenly spread. 均匀选取至多 limit 个用户。
std::vector<std::int32_t> thin_out(const std::vector<std::int32_t>& users, std::size_t limit);

/// Which item of a user is asked for: the last (test) or the one before (validation).
enum class HeldOut : std::uint8_t { Validation, Test };

struct Ranking {
    std::vector<std::int64_t> ranks;  // one a user, 0 = best
    double coverage = 0;              // share of all items that stand in somebody's ten best; test only
};

/// Ranks each user's held-out item among all items that the user has not seen before it. Ties count against
/// the model. `poll(share)` is called as work gets done, from any thread.
/// 在用户未看过的全部物品中对留出物品排名；同分按不利于模型计。
Ranking rank_held_out(const Dataset& data, const std::vector<std::int32_t>& users, HeldOut which,
                      const Weights& weights, Workers& workers, const std::function<void(double)>& poll);

}  // namespace seqrec::trainer
