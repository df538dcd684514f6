// The index of a trained model: its lists, and how many of them a search reads.
#pragma once

#include <string>

#include "core/kinds/score_form.hpp"
#include "index/list_index.hpp"
#include "index/probes.hpp"
#include "measure/evaluation.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// A model's index and what it was measured to do.
/// 模型的索引及其测得的效果。
struct ModelIndex {
    ListIndex items;
    Probes probes;

    /// `index_lists`, `index_probes`, `index_recall@10`, `index_share`.
    nlohmann::json metrics() const;
};

/// Whether rows get an index; `wanted`: the option `index`. Past a hundred million numbers a search of all
/// items takes about five milliseconds.
/// 这些行是否需要索引；wanted 为选项 index 的值。超过一亿个数时，全量搜索约需五毫秒。
bool wants_index(const std::string& wanted, const at::Tensor& item_rows);

/// Indexes the `rows` of `served`, whatever form its scores have. The queries that decide how many lists are
/// read are those of serving: users after their whole history, asking for what they have not seen. At least
/// two items.
/// 为模型的物品建立索引，得分形式不限。用以决定读取列表数的查询与在线服务一致：用户及其完整历史，
/// 求未看过的物品。
ModelIndex index_items(const Weights& served, const at::Tensor& rows, const ScoreForm& form,
                       const Dataset& data, std::uint64_t seed, Workers& workers, Reporter& reporter);

}  // namespace seqrec::trainer
