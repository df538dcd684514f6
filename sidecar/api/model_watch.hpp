// What the database knows of models and trainings, kept for /metrics.
#pragma once

#include <memory>
#include <optional>

#include "db/pool.hpp"

namespace seqrec::sidecar {

/// Rows of the last look into the database; never older than two scrapes.
/// 最近一次读取数据库所得的行；最多滞后两次抓取。
class ModelWatch : public std::enable_shared_from_this<ModelWatch> {
  public:
    explicit ModelWatch(Pool& pool) : pool_(pool) {}

    /// Asks the database again unless it was asked a moment ago; waits for nothing.
    /// 除非刚刚查询过，否则再次查询数据库；不做任何等待。
    void refresh();

    /// Active models: name, version, kind, then numbers as text. Nothing before the first answer.
    /// 启用中的模型：名称、版本、类型，其后为文本形式的数值。首次应答之前为空。
    const std::optional<Rows>& models() const { return models_; }
    /// Running trainings: model, percent, epoch, loss.
    /// 进行中的训练：模型、百分比、轮次、损失。
    const std::optional<Rows>& trainings() const { return trainings_; }
    /// Trainings that are over: model, how many failed, when the latest done one ended (seconds since 1970).
    /// 已结束的训练：模型、失败次数、最近一次完成的时间（1970 年以来的秒数）。
    const std::optional<Rows>& outcomes() const { return outcomes_; }

  private:
    void look(const Statement& statement, std::optional<Rows>& rows);

    Pool& pool_;
    std::optional<Rows> models_;
    std::optional<Rows> trainings_;
    std::optional<Rows> outcomes_;
    std::optional<Clock::time_point> asked_at_;
};

}  // namespace seqrec::sidecar
