// Full-catalogue ranking of held-out items.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/dataset.hpp"
#include "kinds/weights.hpp"
#include "measure/repeats.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// At most `limit` of them, evenly spread.
/// 均匀选取至多 limit 个。
template <typename T>
std::vector<T> thin_out(const std::vector<T>& all, std::size_t limit) {
    if (all.size() <= limit) return all;
    std::vector<T> chosen;
    for (std::size_t i = 0; i < limit; ++i) chosen.push_back(all[i * all.size() / limit]);
    return chosen;
}

/// Questions to choose by, of a part: as many as a few seconds rank, evenly spread.
/// 用于选择的问题：几秒内可排名的数量，均匀选取。
std::vector<Question> few_questions(const Dataset& data, HeldOut which);

struct Ranking {
    std::vector<std::int64_t> ranks;  // one a question, 0 = best
    double coverage = 0;              // share of all items that stand in somebody's ten best; test only
};

/// Ranks the item that each question asks for: among all items where repeats are kept, else among those that
/// the user has not seen before it; `shifts` are added to the scores of what was clicked before. A user
/// without a training part is an unknown one. Ties count against the model; coverage only of the test.
/// `poll(share)` is called as work gets done, from any thread.
/// 对每个问题所求的物品排名：保留重复时在全部物品中，否则在用户此前未看过的物品中。
/// 没有训练部分的用户视为未知用户；同分按不利于模型计。
Ranking rank_held_out(const Dataset& data, const std::vector<Question>& questions, HeldOut which,
                      const Weights& weights, const Shifts& shifts, Workers& workers,
                      const std::function<void(double)>& poll);

}  // namespace seqrec::trainer
