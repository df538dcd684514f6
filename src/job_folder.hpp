// The folder of a running job: dataset, model and log files. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "boundary.hpp"

namespace seqrec {

/// Makes an empty folder for a job and returns its path. 为任务创建空目录并返回路径。
const char* make_job_folder(std::int64_t job_id);
void remove_job_folder(std::int64_t job_id);
/// Removes the folders of jobs whose workers are gone, as after a crash of the server.
/// 删除后台进程已不存在的任务目录（例如服务器崩溃之后）。
void remove_dead_job_folders();

}  // namespace seqrec
