// Full-catalogue ranking of held-out items.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kinds/transformer/network.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// At most `limit` of them, evenly spread. 均匀选取至多 limit 个。
template <typename T>
std::vector<T> thin_out(const std::vector<T>& all, std::size_t limit) {
    if (all.size() <= limit) return all;
    std::vector<T> chosen;
    for (std::size_t i = 0; i < limit; ++i) chosen.push_back(all[i * all.size() / limit]);
    return chosen;
}

struct Ranking {
    std::vector<std::int64_t> ranks;  // one a question, 0 = best
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

/// Ranks the item that each question asks for: among all items where repeats are kept, else among those that
/// the user has not seen before it. A user without a training part is an unknown one. Ties count against the
/// model; coverage only of the test. `poll(share)` is called as work gets done, from any thread.
/// 对每个问题所求的物品排名：保留重复时在全部物品中，否则在用户此前未看过的物品中。没有训练部分的用户视为未知用户；同分按不利于模型计。
Ranking rank_held_out(const Dataset& data, const std::vector<Question>& questions, HeldOut which,
                      const Members& members, Workers& workers, const std::function<void(double)>& poll);

}  // namespace seqrec::trainer
