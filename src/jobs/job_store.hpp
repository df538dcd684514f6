// The rows of seqrec.jobs and seqrec.job_log, and the lock that says whose worker is alive.
// PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"
#include "tables/training_options.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace seqrec {

/// Which job: the number that people use, and the uuid that no other row ever has, also after a restored dump
/// or a dropped extension. Rows, locks and files go by both.
/// 任务的身份：供人使用的编号，以及任何其他行都不会有的 uuid。
struct JobKey {
    std::int64_t id;
    pg_uuid_t uuid;
};

/// What a job was asked to do. Strings live in the memory context current when it was read.
/// 任务内容；字符串位于读取时的内存上下文中。
struct Job {
    JobKey key;
    Oid owner;
    char *model, *kind, *source;
    TrainingOptions options;
    char* state;
    char* export_metrics;  // what an earlier run of the job measured, "{}" when there was none
    char* refreshes;       // the version whose items it refreshes; null for a training
};

/// Inserts a queued job, a training unless it `refreshes` a version, with no more threads than are allowed; ERROR 55006 when the model
/// is being trained already, 0 instead where `skip`.
/// 插入排队任务（给出 refreshes 时为刷新，否则为训练），线程数不超过允许的上限；模型正在训练时报错 55006，skip 时改为返回编号 0。
JobKey insert_job(const char* model, const char* kind, const char* source, const TrainingOptions& options,
                  bool skip, const char* refreshes = nullptr);
/// Queues a job once more that can go on, see can_go_on(); ERROR 55006 when the model is being trained.
/// 将可继续的任务重新排队；模型正在训练时报错 55006。
void queue_again(const Job& job);
/// Cancels a job that no process runs; false when it is over.
/// 取消没有进程运行的任务；任务已结束则返回 false。
bool give_up_job(const JobKey& key);
/// Whether seqrec_resume may queue the job: it was interrupted, or trained and not published, and no later
/// training of the model is done.
/// 任务是否可由 seqrec_resume 重新排队：被中断，或训练完成但未发布，且该模型没有更晚完成的训练。
bool can_go_on(const JobKey& key);
/// Whether the files of the job with this uuid are still of use: it is not over, or can go on.
/// 具有该 uuid 的任务的文件是否仍有用：任务未结束，或可以继续。
bool needs_files(const char* uuid);
/// False when no such row is visible, as after a rollback.
/// 行不可见（例如已回滚）时返回 false。
bool read_job(const JobKey& key, Job* job);
bool read_job(std::int64_t id, Job* job);

// What a worker writes. ERROR 57014 when the row says that the job was cancelled, 55000 when the row is gone.

void set_job_state(const JobKey& key, const char* state);
/// Adds measurements (a JSON object) to the job's metrics.
/// 将测量结果（JSON 对象）并入任务指标。
void add_job_metrics(const JobKey& key, const char* metrics);
/// Applies one progress line of the trainer (JSON) to the job's row.
/// 将训练器的一行进度写入任务行。
void set_job_progress(const JobKey& key, const char* line);
/// Adds the trainer's epoch line to job_log.
/// 将训练器的一轮结果写入 job_log。
void log_job_epoch(const JobKey& key, const char* line);
void add_job_warning(const JobKey& key, const char* line);
/// Ends a job, and sends NOTIFY seqrec with its id and state when the transaction commits.
/// 结束任务；事务提交时发送 NOTIFY seqrec（含任务号与状态）。
void set_job_done(const JobKey& key, std::int64_t model_id, const char* metrics);
/// `phase` other than null replaces the row's.
/// phase 非空时替换行中的阶段。
void set_job_failed(const JobKey& key, const char* state, const char* phase, const ErrorData* error);

/// The session-level lock a worker holds while it lives.
/// 后台进程存活期间持有的会话级锁。
bool lock_job(const pg_uuid_t& uuid, bool wait);
void unlock_job(const pg_uuid_t& uuid);
/// The process that holds it, or 0.
/// 持锁进程号，没有则为 0。
int job_process(const JobKey& key);

/// The text of a uuid, palloc'd.
/// uuid 的文本。
char* uuid_text(const pg_uuid_t& uuid);

}  // namespace seqrec
