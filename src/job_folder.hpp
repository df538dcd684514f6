// The folder of a running job: dataset, model and log files. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "boundary.hpp"

namespace seqrec {

/// The job's folder, made when it is missing; what an interrupted run left is still in it.
/// 任务目录，缺失时创建；被中断的运行留下的内容仍在其中。
const char* open_job_folder(std::int64_t job_id);
/// Whether an earlier run of the job got as far as a whole dataset file.
/// 此前的运行是否已写出完整的数据集文件。
bool has_dataset(const char* folder);
void remove_job_folder(std::int64_t job_id);
/// Removes the folders of jobs whose workers are gone, but for those that can go on.
/// 删除后台进程已不存在的任务目录，可继续的任务除外。
void remove_dead_job_folders();

}  // namespace seqrec
