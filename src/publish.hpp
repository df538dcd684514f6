// From the trainer's model file to the tables, in the caller's transaction.
#pragma once

#include <cstdint>

#include "job_store.hpp"

namespace seqrec {

/// A model version that was just inserted. 刚插入的模型版本。
struct Published {
    std::int64_t model_id;
    char* version;
    char* metrics;  // the trainer's, with the export's and what publishing took
};

/// Inserts `folder`/model.safetensors as a new version of the job's model, makes it the active one and builds
/// its snapshot. ERROR when the file is not what the trainer should have written. May ereport.
/// 将模型文件作为新版本写入各表、启用并构建快照；文件不符合要求则报错。
Published publish_model(const Job& job, const char* folder, const char* export_metrics);

/// Makes a version the active one of its name; sessions switch when the transaction commits.
/// 启用某个版本；事务提交时所有会话切换。
void activate_version(std::int64_t model_id, const char* name);
/// Deletes a version's rows now and its snapshot file at commit. 删除版本的各行；提交时删除其快照文件。
void delete_version(std::int64_t model_id, const char* version);

}  // namespace seqrec
