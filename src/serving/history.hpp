// A user's own latest interactions, read from the ratings table when no clicks are given.
// PostgreSQL code: may ereport.
#pragma once

#include <memory>

#include "serving/serving_model.hpp"
#include "sql/arguments.hpp"

namespace seqrec {

/// ERROR 42501 unless the current user may execute seqrec_history or has the rights of the model's owner: who
/// may leave out clicks learns from the answers what a user did.
/// 当前用户既无 seqrec_history 的执行权限、也无模型所有者的权限则报错 42501：
/// 省略点击即可从结果得知用户的行为。
void require_history_right(const ServingModel& model);
/// Whether the current user may learn what users did, of a model of such an owner.
/// 当前用户是否可以得知（该所有者的模型的）用户行为。
bool has_history_right(Oid owner);

/// The user's latest items, oldest first, at most `limit`. Read on behalf of the model's owner, see
/// source_rights.hpp; a user id that the column's type can't hold has no rows.
/// 用户最近的物品，最早的在前，至多 limit 个。代表模型所有者读取（见 source_rights.hpp）；
/// 列类型无法表示的用户 id 视为没有记录。
IdArray read_history(ServingModel& model, std::string_view user, int limit);

/// Gives an asker who wants the history the clicks of it.
/// 为需要历史记录的请求者填入点击。
void read_missing_clicks(SqlAsker& asker, std::string_view model);

/// The same, but an error in reading is kept with the asker (`problem`) instead of raised; in a parallel
/// query, which knows no subtransactions, it is raised.
/// 同上，但读取错误记在请求者上（problem）而不抛出；并行查询中没有子事务，仍会抛出。
void try_missing_clicks(SqlAsker& asker, std::string_view model);

/// The same for several, for no longer than `milliseconds` in all: one whose rows take longer holds nobody up. How many
/// are read, from the first on; the others are to be asked for again. In a parallel query all are, however long it takes.
/// 同上，依次处理多个请求者，总时长不超过 milliseconds，因此慢者不会拖累其他人。返回自首个起已读取的数量，
/// 其余须重新询问。并行查询中不限时，全部读取。
std::size_t try_missing_clicks_within(std::span<SqlAsker> askers, std::string_view model, int milliseconds);

/// Listens for changes of what a history's plan may run; called once when the library is loaded.
/// 监听读取历史的计划可能运行的内容的变化；加载时调用一次。
void watch_code();

}  // namespace seqrec
