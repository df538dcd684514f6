// Writing the model file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "index/list_index.hpp"
#include "measure/evaluation.hpp"

namespace seqrec::trainer {

/// Writes a model file (docs/architecture.md): the weights, and of `data` how often each item occurs, which
/// items each user has seen and until when. Nothing appears under `path` when it fails or the process is told
/// to stop meanwhile.
/// 写出模型文件：权重，以及数据中每个物品的次数、每个用户看过的物品与最后时间；失败或中途被要求停止时不会留下文件。
/// `index`: the lists of the items, null without an index. index 为物品的列表，没有索引则为空指针。
void write_model(const std::string& path, Members members, const Dataset& data, const ListIndex* index,
                 const nlohmann::json& config, const nlohmann::json& metrics);

/// The weights of a model or snapshot file; Error XX001 when it lacks one.
/// 读取模型或快照文件中的权重；缺失则抛出 Error XX001。
Members read_model(const SafetensorsFile& file);

}  // namespace seqrec::trainer
