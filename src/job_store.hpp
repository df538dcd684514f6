// The rows of seqrec.jobs and seqrec.job_log, and the lock that says whose worker is alive.
// PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "boundary.hpp"

namespace seqrec {

/// What a job was asked to do. Strings live in the memory context current when it was read.
/// 任务内容；字符串位于读取时的内存上下文中。
struct Job {
    std::int64_t id;
    char *model, *kind, *owner, *source, *options;
    char* state;
    char* export_metrics;  // what an earlier run of the job measured, "{}" when there was none
};

/// Inserts a queued job and returns its id; ERROR 55006 when the model is being trained already.
/// 插入排队任务并返回任务号；模型正在训练时报错 55006。
std::int64_t insert_job(const char* model, const char* kind, const char* source, const char* options);
/// Queues an interrupted job once more and returns its model's name; ERROR 55006 when the model is being
/// trained. 将被中断的任务重新排队并返回其模型名；模型正在训练时报错 55006。
const char* queue_again(std::int64_t id);
/// Writes down that an interrupted job will not go on; false when it was not interrupted.
/// 记录被中断的任务不再继续；任务并非中断则返回 false。
bool give_up_interrupted_job(std::int64_t id);
/// Whether the job was interrupted and can go on. 任务是否被中断且可以继续。
bool can_go_on(std::int64_t id);
/// False when no such row is visible, as after a rollback. 行不可见（例如已回滚）时返回 false。
bool read_job(std::int64_t id, Job* job);

void set_job_state(std::int64_t id, const char* state);
/// Adds measurements (a JSON object) to the job's metrics. 将测量结果（JSON 对象）并入任务指标。
void add_job_metrics(std::int64_t id, const char* metrics);
/// Applies one progress line of the trainer (JSON) to the job's row. 将训练器的一行进度写入任务行。
void set_job_progress(std::int64_t id, const char* line);
/// Adds the trainer's epoch line to job_log. 将训练器的一轮结果写入 job_log。
void log_job_epoch(std::int64_t id, const char* line);
void add_job_warning(std::int64_t id, const char* line);
void set_job_done(std::int64_t id, std::int64_t model_id, const char* metrics);
void set_job_failed(std::int64_t id, const char* state, const ErrorData* error);

/// The session-level lock a worker holds while it lives. 后台进程存活期间持有的会话级锁。
bool lock_job(std::int64_t id, bool wait);
void unlock_job(std::int64_t id);
/// The process that holds it, or 0. 持锁进程号，没有则为 0。
int job_process(std::int64_t id);

}  // namespace seqrec
