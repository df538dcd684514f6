// Writing the model file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "evaluation.hpp"

namespace seqrec::trainer {

/// Writes a model file (docs/architecture.md). Nothing appears under `path` when it fails or the process is
/// told to stop meanwhile.
/// 写出模型文件；失败或中途被要求停止时不会留下文件。
void write_model(const std::string& path, Snapshot snapshot, const std::vector<float>& popularity,
                 const nlohmann::json& config, const nlohmann::json& metrics);

/// Reads the weights of a model file back, for tests.
/// 读回模型文件中的权重（用于测试）。
Snapshot read_model(const std::string& path);

}  // namespace seqrec::trainer
