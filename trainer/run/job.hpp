// The `train` command: a job file in, a model file and protocol lines out.
#pragma once

#include <string>

namespace seqrec::trainer {

/// Runs one job and returns the exit status; every failure becomes an `error` line.
/// 执行一个任务并返回退出码；任何失败都输出为一行 error。
int run_job(const std::string& path);

}  // namespace seqrec::trainer
