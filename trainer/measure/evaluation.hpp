// Full-catalogue ranking of held-out items.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kinds/transformer/network.hpp"
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

/// Weights to evaluate: a model and its users' vectors, [U, dim].
struct Snapshot {
    Transformer model;
    at::Tensor users;
};

/// Networks whose cosines are averaged; each has its own slice of the columns of what follows.
using Members = std::vector<Snapshot>;

/// Unit vectors of users after a history each, [n, members * dim]. `ids` holds -1 for an
/// unknown user. 每个用户在其历史之后的单位向量 [n, members * dim]。
at::Tensor encode(const Members& members, const std::vector<std::span<const std::int32_t>>& histories,
                  const std::vector<std::int32_t>& ids);
/// The vectors that a user's vector is multiplied with, [items, members * dim], each member's slice of unit
/// length. 与用户向量相乘的物品向量；每个成员的切片均为单位长度。
at::Tensor item_directions(const Members& members);

/// Ranks each user's held-out item among all items that the user has not seen before it. Ties count against
/// the model. `poll(share)` is called as work gets done, from any thread.
/// 在用户未看过的全部物品中对留出物品排名；同分按不利于模型计。
Ranking rank_held_out(const Dataset& data, const std::vector<std::int32_t>& users, HeldOut which,
                      const Members& members, Workers& workers, const std::function<void(double)>& poll);

}  // namespace seqrec::trainer
