// The index of a trained model: its lists, and how many of them a search reads.
#pragma once

#include <optional>

#include "index/list_index.hpp"
#include "index/probes.hpp"
#include "measure/evaluation.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// A model's index and what it was measured to do. 模型的索引及其测得的效果。
struct ModelIndex {
    ListIndex items;
    Probes probes;

    /// `index_lists`, `index_probes`, `index_recall@10`, `index_share`.
    nlohmann::json metrics() const;
};

/// Indexes the items of `served` when the settings ask for it. The queries that decide how many lists are
/// read are those of serving: users after their whole history, asking for what they have not seen.
/// 按设置为模型的物品建立索引。用以决定读取列表数的查询与在线服务一致：用户及其完整历史，求未看过的物品。
std::optional<ModelIndex> index_items(const Members& served, const Dataset& data, const Settings& settings,
                                      Workers& workers, Reporter& reporter);

}  // namespace seqrec::trainer
