// What a job file says.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace seqrec::trainer {

/// A job: files, the kind of model, its options.
/// 任务：文件、模型类型与选项。
struct Job {
    std::string dataset, model, kind, init, compare, checkpoint, text_model, texts;
    nlohmann::json options;
};

/// Errors: 58030 (can't be read), 22023 (not valid).
/// 错误：58030（无法读取）、22023（无效）。
Job read_job(const std::string& path);

/// How many threads the option `threads` means: all cores where it is 0 or not given.
/// 选项 threads 所指的线程数：为 0 或未给出时为全部核心。
int thread_count(const nlohmann::json& options);

}  // namespace seqrec::trainer
