// From the trainer's model file to the tables, in the caller's transaction.
#pragma once

#include <cstdint>

#include "jobs/job_store.hpp"

namespace seqrec {

/// A model version that was just inserted.
/// 刚插入的模型版本。
struct Published {
    std::int64_t model_id;
    char* version;
    char* metrics;  // of the job: the trainer's, the export's, what publishing took, whether it was activated
    bool activated;
    const char* told;  // what to say about that, or null
};

/// Inserts `folder`/model.safetensors as a new version of the job's model, builds its snapshot and makes it
/// the active one, unless the active one is pinned or the job's option "activate" says no; its owner is the
/// name's. ERROR when the file is not what the trainer should have written, or the job's owner may not
/// replace the model any more. May be called again after an ERROR. May ereport.
/// 将模型文件作为新版本写入各表、构建快照并启用（启用版本已固定、或任务选项 activate 不允许时除外），
/// 所有者沿用该名称的所有者；文件不符合要求或任务所有者无权替换时报错。出错后可再次调用。
Published publish_model(const Job& job, const char* folder, const char* export_metrics);

}  // namespace seqrec
