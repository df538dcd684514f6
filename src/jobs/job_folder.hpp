// The folder of a job: dataset, model and log files, named by the job's uuid. PostgreSQL code: may ereport.
#pragma once

#include "jobs/job_store.hpp"
#include "pg/boundary.hpp"

namespace seqrec {

/// The job's folder, made when it is missing; what an interrupted run left is still in it.
/// 任务目录，缺失时创建；被中断的运行留下的内容仍在其中。
const char* open_job_folder(const JobKey& job);
/// Whether an earlier run of this very job got as far as a whole dataset, or model, file; what belongs to
/// another job, or is damaged, is removed.
/// 该任务此前的运行是否已写出完整的数据集（或模型）文件；属于其他任务或已损坏的会被删除。
bool has_dataset(const char* folder, const Job& job);
bool has_model(const char* folder, const Job& job);
/// Whether there is a finished model file, whatever is in it; no transaction is needed.
/// 是否存在已完成的模型文件（不论内容）；无需事务。
bool has_model_file(const JobKey& job);
/// Whether a training has left a checkpoint, or nobody may look; no transaction is needed.
/// 训练是否留有检查点，或无从查看；无需事务。
bool has_checkpoint_file(const JobKey& job);
void remove_job_folder(const JobKey& job);
/// The same once the current transaction commits, as remove_at_commit() has it.
/// 同上，但在当前事务提交时进行，见 remove_at_commit()。
void remove_job_folder_at_commit(const JobKey& job);
/// Removes the folders of jobs whose workers are gone, but for those that can go on, and for the caller's
/// own.
/// 删除后台进程已不存在的任务目录，可继续的任务与调用者自己的任务除外。
void remove_dead_job_folders(const JobKey& own);

}  // namespace seqrec
