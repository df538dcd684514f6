// The background worker that runs one job.
#pragma once

#include <cstdint>

#include "boundary.hpp"

namespace seqrec {

/// Registers a worker for a job that this transaction has inserted. It waits for the transaction's end, and
/// leaves when that was a rollback. ERROR 53400 when the server has no free worker slot.
/// 为本事务插入的任务注册后台进程；它等待事务结束，若回滚则退出。没有空闲进程槽时报错 53400。
void launch_worker(std::int64_t job_id, const char* model);

}  // namespace seqrec
