// One recommendation between the database and the client: the query for it, and the answer as JSON.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "api/recommend_request.hpp"
#include "config.hpp"
#include "counters.hpp"
#include "db/query.hpp"
#include "http/problem.hpp"

namespace seqrec::sidecar {

/// The query for one asker. It may be joined with others that are alike, but where reasons are wanted of what a user's own rows say. Reasons name items by the titles of that table; without one, by
/// those of the model's own.
/// 单个请求者的查询；可与同类查询合并，但需要读取用户自身记录并说明理由的除外。理由以该表中的标题称呼物品；没有则用模型自己的物品表。
Query recommend_query(const RecommendRequest& request, const TitleTable& titles = {});
/// The query for many, one row each in their order.
/// 多个请求者的查询，按顺序各得一行。
Query batch_query(const BatchRequest& request);

/// What an answer tells of itself beside its items.
/// 应答中除物品外的自述信息。
struct About {
    const std::string& request_id;
    std::chrono::steady_clock::time_point begun;
};

/// Counts the answers that were not personal, the users whose own rows could not be read, and the clicks that
/// the model did not know.
/// 统计非个性化的应答、无法读取其自身记录的用户以及模型不认识的点击。
void record_answers(Counters& counters, const Rows& rows);

/// Why the user's own rows could not be read, in an answer to recommend_query; nothing where they could.
/// recommend_query 的应答中，无法读取该用户自身记录的原因；可读取时为空。
std::optional<Problem> history_problem(const Rows& rows, const std::string& request_id);

/// The answer to recommend_query. The plain form holds the items alone, and what is news.
/// recommend_query 的应答正文。普通形式只含物品以及新情况。
std::string recommend_json(const Rows& rows, const Wish& wish, const About& about);
/// The answer to batch_query; who has a problem of their own is told so among the others.
/// batch_query 的应答正文；有问题的用户在各自结果中得到说明，不影响其他用户。
std::string batch_json(const Rows& rows, const Wish& wish, const About& about);

}  // namespace seqrec::sidecar
