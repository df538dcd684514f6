// One training from a dataset to the best weights.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "evaluation.hpp"
#include "metrics.hpp"
#include "optimizer.hpp"
#include "reporter.hpp"
#include "shard.hpp"

namespace seqrec::trainer {

/// Trains on every user's history but the last two items, keeps the weights that ranked the item before the
/// last best, and stops when they no longer improve.
/// 以每个用户除最后两个物品外的历史训练，保留在倒数第二个物品上排名最好的权重，不再提高时停止。
class Training {
  public:
    Training(const Dataset& data, const Settings& settings, Workers& workers, Reporter& reporter);

    void run();
    /// After run() and its evaluation: see `final_fit` in the options.
    void fit_all();

    const Snapshot& best() const { return best_; }
    /// `best_epoch`, `labels`, `labels_per_s`, `train_seconds`, `valid_hr@10`, `valid_ndcg@10`, …
    nlohmann::json metrics() const;

  private:
    void run_epoch();
    double run_step(std::span<const Window> windows);
    double update(std::vector<ShardOutput>& outputs);
    void validate();
    bool cool_down();
    nlohmann::json validation_metrics(const Snapshot& snapshot);
    void choose_user_scale();
    double seconds() const;
    double time_share() const;
    bool out_of_time() const { return time_share() >= 1; }
    double share_done() const;
    double learning_share() const;
    Snapshot averaged();
    void report(double loss);

    const Dataset& data_;
    const Settings& settings_;
    Workers& workers_;
    Reporter& reporter_;
    Random random_;
    Transformer model_;
    DenseOptimizer optimizer_;
    std::optional<RowTable> items_;  // when the softmax is sampled
    RowTable users_;
    std::vector<float> label_share_;
    Schedule schedule_;
    kernels::AdamStep last_step_{};
    std::int64_t planned_epochs_;  // of the current part, which began after epoch begun_
    std::vector<std::int32_t> validation_users_;

    Part part_ = Part::Training;
    std::int64_t final_epochs_ = 0, begun_ = 0;
    double begun_seconds_ = 0;
    double epoch_share_ = 0;  // of the current epoch that is done
    at::Tensor best_users_;  // before they were scaled
    Snapshot best_;
    nlohmann::json best_metrics_ = nlohmann::json::object();
    nlohmann::json clicks_only_;
    double best_ndcg_ = -1, user_scale_ = 1;
    std::int64_t epoch_ = 0, best_epoch_ = 0, without_gain_ = 0, labels_ = 0;
    std::int64_t validated_step_ = 0;
    double epoch_loss_ = 0, validation_seconds_ = 0;
    double step_seconds_ = 0, flops_ = 0;
    std::chrono::steady_clock::time_point start_;
};

}  // namespace seqrec::trainer
