// One recommendation between the database and the client: the query for it, and the answer as JSON.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "api/recommend_request.hpp"
#include "db/query.hpp"
#include "metrics.hpp"

namespace seqrec::sidecar {

/// The query for one asker. Plain ones may be joined with others.
/// 单个请求者的查询；普通查询可与其他查询合并。
Query recommend_query(const RecommendRequest& request);
/// The query for many, one row each in their order. 多个请求者的查询，按顺序各得一行。
Query batch_query(const BatchRequest& request);

/// What an answer tells of itself beside its items. 应答中除物品外的自述信息。
struct About {
    std::string_view request_id;
    std::chrono::steady_clock::time_point begun;
};

/// Counts the answers that were not personal, and the clicks that the model did not know.
/// 统计非个性化的应答以及模型不认识的点击。
void record_answers(Metrics& metrics, const Rows& rows);

/// The answer to recommend_query. The plain form holds the items alone, and what is news.
/// recommend_query 的应答正文。普通形式只含物品以及新情况。
std::string recommend_json(const Rows& rows, const Wish& wish, const About& about);
std::string batch_json(const Rows& rows, const Wish& wish, const About& about);

}  // namespace seqrec::sidecar
