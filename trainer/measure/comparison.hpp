// A trained model beside the version that is active: who ranks the same held-out rows better?
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "data/dataset.hpp"
#include "kinds/weights.hpp"
#include "measure/evaluation.hpp"
#include "run/earlier_model.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// Ranks the test questions that are later than what the active version has seen with both models (all of the test where those
/// are fewer than thirty: it has been told them, so the comparison favours it); an item
/// that the active one does not know it ranks last. Returns `compared_rows` and, when there are any,
/// `active_ndcg@10`, `ndcg@10_difference` (ours less the active one's, mean over rows) and
/// `ndcg@10_standard_error` (of that mean).
/// 用两个模型对启用版本未见过的测试问题排名（不足三十个时用全部测试问题，这对启用版本有利）；启用版本不认识的物品排在最后。返回 compared_rows；若大于零，
/// 还有 active_ndcg@10、ndcg@10_difference（我方减启用版本的均值）与
/// ndcg@10_standard_error（该均值的标准误）。
nlohmann::json compare_with_active(const Dataset& data, const EarlierModel& active, const Weights& ours,
                                   const Shifts& shifts, std::size_t limit, Workers& workers,
                                   const std::function<void(double)>& poll);

}  // namespace seqrec::trainer
