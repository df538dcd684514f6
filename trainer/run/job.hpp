// A job from its file to its exit status, whatever happens on the way.
#pragma once

#include <string>

#include "run/job_file.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// Runs one job, whose `work` is train() or refresh(), and returns the exit status; every failure becomes an `error` line.
/// 执行一个任务（work 为 train() 或 refresh()）并返回退出码；任何失败都输出为一行 error。
int run_job(const std::string& path, void (*work)(const Job&, Reporter&));

}  // namespace seqrec::trainer
