// What goes wrong with a snapshot, and whom it is told. The note beside its file says: a worker could not build it, and why. Nobody
// tries again for a while, so that those who ask for a broken version don't start one worker after the other. Why, which may name
// files of the server, is for who sees the errors of jobs, as seqrec_jobs has it, and for the version's owner; others are told that
// it failed. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"

namespace seqrec {

/// The error of the last attempt at a version, with a hint that says when there is another one, as long as nobody tries: ten times as
/// long as the attempt took, from two seconds to a minute.
/// 在尚不重试的时段内报出上次尝试的错误，并提示何时再试：该时段为那次尝试用时的十倍，两秒至一分钟。
void raise_recent_failure(std::int64_t model_id, const char* version);
/// The same, asked and not raised.
/// 同上，仅询问而不报错。
bool failed_recently(const char* version);

/// Whether the current user may know why the snapshot of a version can't be built.
/// 当前用户可否得知某版本的快照为何无法构建。
bool may_know_failures(const char* version);
/// A WARNING of `what`; `why` is for who may know, and for the server's log.
/// 就 what 发出警告；why 只告知有权得知者，并写入服务器日志。
void warn_of(const char* version, int code, const char* what, const char* why, const char* hint);
/// Raises to who may not that it can't, with the SQLSTATE of `error`, which the server's log is told.
/// 向不可得知者报错：只说明无法构建并沿用 error 的 SQLSTATE；error 本身写入服务器日志。
[[noreturn]] void raise_untold(std::int64_t model_id, const ErrorData& error);

/// Notes that an attempt came to this error after so many milliseconds; where the folder can't be written, nobody is kept from trying.
/// 记下一次尝试经过若干毫秒后因该错误失败；目录不可写时不阻止任何人重试。
void note_failure(const char* version, const ErrorData& error, long milliseconds);
/// Has the next who asks try at once.
/// 使下一个请求者立即重试。
void forget_failure(const char* version);

}  // namespace seqrec
