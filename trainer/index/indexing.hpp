// The index of a trained model: its lists, and how many of them a search reads.
#pragma once

#include <optional>
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

    /// What a search reads, of what it reads without the index: centroids, which are four bytes a number where
    /// codes are one, and the share of the items.
    /// 检索的读取量与不用索引时之比：质心（每个数四字节，编码为一字节）加上所读物品的比例。
    double cost() const;
    /// Whether to find what it must, which choose_probes() sees to, costs so little that it pays (kWorthwhile).
    /// 在找得到的前提下（由 choose_probes() 保证），开销是否足够小（kWorthwhile）。
    bool pays() const;
    /// `index_lists`, `index_probes`, `index_recall@10`, `index_share`, `index_cost`, and where items are asked for
    /// like ones `index_similar_recall@10`.
    nlohmann::json metrics() const;
};

/// At a fifth the index is the quicker way for batches, too: a reading of all items is shared by many who ask at once,
/// which makes it up to five times cheaper for each where the CPU has VNNI.
/// 五分之一：批量请求共享一次全量读取，在有 VNNI 的 CPU 上每个请求至多便宜五倍，此时索引仍然更快。
inline constexpr double kWorthwhile = 0.2;

/// Whether rows are to be indexed; `wanted`: the option `index`. `auto` tries from 300,000 items on, where a search of
/// all takes half a millisecond to two, or a hundred million numbers.
/// 是否为这些行建立索引；wanted 为选项 index 的值。auto 从三十万个物品（全量检索约半毫秒至两毫秒）或一亿个数起尝试。
bool wants_index(const std::string& wanted, const at::Tensor& item_rows);

/// Indexes the `rows` of `served`, whatever form its scores have. The queries that decide how many lists are
/// read are those of serving: users after their whole history, asking for what they have not seen, and where scores
/// are cosines items, asking for like ones. At least two items.
/// 为模型的物品建立索引，得分形式不限。用以决定读取列表数的查询与在线服务一致：用户及其完整历史，
/// 求未看过的物品；得分为余弦时还有物品，求相似物品。
ModelIndex index_items(const Weights& served, const at::Tensor& rows, const ScoreForm& form,
                       const Dataset& data, std::uint64_t seed, Workers& workers, Reporter& reporter);

/// What the options ask for: the index, or none where `auto` finds that it does not pay. Says in `metrics` what was
/// measured and why it was kept or not (`index_choice`), in `config` `index`, `lists` and `probes`.
/// 按选项建立索引；auto 认为不划算时没有索引。metrics 说明测量值与取舍理由（index_choice），
/// config 给出 index、lists 与 probes。
std::optional<ModelIndex> choose_index(const nlohmann::json& options, const Weights& served,
                                       const ScoreForm& form, const Dataset& data, nlohmann::json& config,
                                       nlohmann::json& metrics, Workers& workers, Reporter& reporter);

}  // namespace seqrec::trainer
