// Measuring a model on rows of a table, by what it would answer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/dataset_writer.hpp"
#include "core/files/snapshot.hpp"
#include "core/measure/event_log.hpp"
#include "core/measure/ranked_metrics.hpp"

namespace seqrec {

/// The rows of a table in the indexes of a model, as it reads repeats. An item that the model does not know has an index
/// from its number of items on.
/// 以模型下标表示的表中各行，按模型的方式读取重复；模型不认识的物品，其下标从模型的物品数开始。
class TableRows {
  public:
    /// The snapshot must outlive it.
    /// 快照须长于本对象。
    TableRows(const Snapshot& snapshot, bool labelled);

    /// What follows is the next user's.
    /// 其后为下一个用户的行。
    void begin_user(const Id& user);
    /// A row of the current user, not older than the one before.
    /// 当前用户的一行，不早于前一行。
    void row(const Id& item, double time, float label = std::numeric_limits<float>::quiet_NaN());

    const Snapshot& snapshot() const { return snapshot_; }
    const EventLog& log() const { return log_; }
    /// A user's index in the model, or -1.
    /// 用户在模型中的下标，未知则为 -1。
    std::int32_t model_user(std::int64_t user) const { return users_[static_cast<std::size_t>(user)]; }
    bool knows(std::int32_t item) const { return item < snapshot_.items().size(); }

  private:
    const Snapshot& snapshot_;
    EventLog log_;
    std::vector<std::int32_t> users_;
    IdMap unknown_items_;
};

/// What is wanted of an evaluation.
/// 评估的要求。
struct EvaluationWish {
    std::vector<std::int32_t> ks;  ///< ascending, each once, >= 1
    Split split = Split::LeaveOneOut;
    std::int64_t most_users = 0;  ///< asked about; 0 = all
    bool baselines = true;
    float diversity = 0;                            ///< as Request::diversity, for lists of the largest k
    std::size_t most_bytes = std::size_t{1} << 30;  ///< for the matrix of the baseline `ease`
    std::optional<double> positive_from{};          ///< labels from here on are positive: figures of pairs
    float threshold = 0.5f;                         ///< probabilities from here on are called positive
    bool exact = false;                             ///< as Request::exact
    std::int32_t probes = 0;                        ///< as Request::probes
};

struct Evaluation {
    std::vector<Figure> figures;
    std::int64_t asked = 0, told = 0;   ///< questions, and those whose answer the model has been told
    std::vector<std::string> left_out;  ///< what could not be measured, and why
};

/// What is done, and how much of it; called every few milliseconds, may throw.
/// 当前阶段与进度；每隔几毫秒调用一次，可抛出异常。
using Progress = std::function<void(std::string_view phase, double share)>;

/// Asks a model for what is held out, after what lies before, and ranks as its trainer does: all items where it keeps
/// repeats, else those not among the clicks; ties count against it. Figures: those of ranking_figures() and
/// ListFigures at each k; `users` and `rows` asked, `unknown_items` (rows that ask for an item which the model does not
/// know: misses), `popular_answers` (rows that nothing but popularity answers), `seen_by_model` (share of the rows that
/// it has been told in training); with labels those of pair_metrics.hpp; the baselines' with their name and `_`
/// before. Error 22000 when there is nothing to ask.
/// 就留出的交互逐一询问模型，并按训练器的方式排名：保留重复时为全部物品，否则排除点击过的；同分按不利于模型计。
/// 结果含各 k 的排名与列表指标、询问的用户数与行数、未知物品行数、由热门度回答的行数、模型已被告知的行的占比、
/// 有标签时的配对指标，以及各基线（带前缀）。没有可问的则抛出 Error 22000。
Evaluation evaluate(const TableRows& rows, const EvaluationWish& wish, const Progress& progress);

}  // namespace seqrec
