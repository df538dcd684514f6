// Writing the model file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/kinds/kind.hpp"
#include "data/dataset.hpp"
#include "index/list_index.hpp"
#include "kinds/weights.hpp"

namespace seqrec::trainer {

/// What a model file says of the model beside its tensors.
/// 模型文件中除张量外的说明。
struct ModelDescription {
    const Kind& kind;
    nlohmann::json config, metrics;
    /// What is added to each item's popularity because the data no longer tell of it; empty for nothing.
    /// 数据中已不再体现、需加到各物品热度上的部分；没有则为空。
    std::vector<float> more_popularity{};
};

/// Writes a model file (docs/architecture.md): the weights, and of `data` how often each item occurs, which
/// items each user has seen and until when. `index`: the lists of the items, null without an index; `more`: further tensors. Nothing
/// appears under `path` when it fails or the process is told to stop meanwhile.
/// 写出模型文件：权重，以及数据中每个物品的次数、每个用户看过的物品与最后时间；index 为物品的列表，
/// 没有索引则为空指针；more 为其余张量。失败或中途被要求停止时不会留下文件。
void write_model(const std::string& path, const ModelDescription& description, const Weights& weights,
                 const Dataset& data, const ListIndex* index, const std::vector<NamedTensor>& more = {});

}  // namespace seqrec::trainer
