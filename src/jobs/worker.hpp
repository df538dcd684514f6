// The background worker that runs one job.
#pragma once

#include "jobs/job_store.hpp"
#include "pg/boundary.hpp"

namespace seqrec {

/// Registers a worker for a job that this transaction has inserted or queued again. It works as the job's
/// owner, whoever calls, waits for the transaction's end, and leaves when that was a rollback. ERROR 53400
/// when the server has no free worker slot.
/// 为本事务插入或重新排队的任务注册后台进程；无论由谁调用，均以任务所有者的身份工作；等待事务结束，
/// 若回滚则退出。没有空闲进程槽时报错 53400。
void launch_worker(const JobKey& job, Oid owner, const char* model);

}  // namespace seqrec
