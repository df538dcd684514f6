// Users answered by several processes: PostgreSQL's own parallel workers, which share the transaction's snapshot, user and
// settings. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>
#include <span>

#include "core/scan/top_k.hpp"

#include "pg/boundary.hpp"

namespace seqrec {

/// How many users are answered at a time.
/// 一次回答的用户数。
inline constexpr std::int32_t kUsersAtOnce = 64;

/// Takes what a user of the model is recommended, in memory that lasts no longer than the call.
/// 接收模型某用户的推荐结果，所用内存仅在调用期间有效。
using TakeUser = void (*)(void* state, std::int32_t user, std::span<const ScoredItem> items);

/// Answers all users of the opened model (`work`), in their order, whatever process answers whom: `take` is called by
/// this one alone. `call` is the call of seqrec_recommend_all. Up to max_parallel_workers_per_gather workers help where
/// there are enough users; an error of one, or a cancel, is raised here.
/// 按顺序回答已打开模型（work）的所有用户，与由哪个进程计算无关；take 只在本进程中调用。call 为 seqrec_recommend_all
/// 的调用。用户足够多时至多有 max_parallel_workers_per_gather 个工作进程协助；其错误与取消在此抛出。
void answer_all_users(FunctionCallInfo call, TakeUser take, void* state);

}  // namespace seqrec
