// Ranks into HR, NDCG and MRR.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace seqrec::trainer {

/// Metrics of one held-out item a user, from its ranks (0 = best): `hr@k`, `ndcg@k`, `mrr@k` for k in 1, 5,
/// 10, 20, 50; null without ranks. With one relevant item, recall@k = hr@k and precision@k = hr@k / k.
/// 由名次（0 为最佳）计算 hr@k、ndcg@k、mrr@k；没有名次时为 null。
nlohmann::json ranking_metrics(const std::vector<std::int64_t>& ranks);

}  // namespace seqrec::trainer
