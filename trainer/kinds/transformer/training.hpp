// One training from a dataset to the best weights.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "kinds/shared/optimizer.hpp"
#include "kinds/transformer/shard.hpp"
#include "kinds/transformer/transformer_weights.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"
#include "run/checkpoint.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// How far a training has come: all of its state that is no tensor.
/// 训练进度：除张量以外的全部状态。
struct Standing {
    std::int64_t epoch = 0, best_epoch = 0, without_gain = 0, steps = 0, labels = 0;
    std::int64_t begun = 0,
                 planned_epochs = 0;  // learning rates are planned for epochs begun + 1 .. begun + planned
    std::int64_t validated_step = 0;
    bool cooling = false;  // went back to the best weights
    double best_ndcg = -1, epoch_loss = 0;
    double validation_seconds = 0, step_seconds = 0, flops = 0, seconds = 0;
    nlohmann::json best_metrics = nlohmann::json::object();
    // only in a checkpoint
    std::int64_t step = 0;
    std::uint64_t random = 0;
    bool finished = false;  // nothing is left but the user scale and the final fit

    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Standing, epoch, best_epoch, without_gain, steps, labels, begun,
                                   planned_epochs, validated_step, cooling, best_ndcg, epoch_loss,
                                   validation_seconds, step_seconds, flops, seconds, best_metrics, step,
                                   random, finished)
};

/// Which of several trainings one is, for what it reports.
/// 多次训练中的第几次，用于进度报告。
struct Turn {
    std::int64_t number = 0, of = 1;
    std::int64_t epochs_before = 0;
    double seconds_before = 0;
    double begun = 0;  // share of all that was done before the first of them
};

/// Trains on every user's training part, keeps the weights that ranked the validation items best, and stops
/// when they no longer improve.
/// 以每个用户的训练部分训练，保留在验证物品上排名最好的权重，不再提高时停止。
class Training {
  public:
    /// `start`: the weights to begin with. `checkpoint`: where to go on from when it holds something, and
    /// what is kept up to date. max_seconds of `settings` counts from the beginning of the first turn.
    /// start 为初始权重；checkpoint 若有内容则从中继续，并持续更新。
    /// `content` [items, width], undefined for none.
    Training(const Dataset& data, const Settings& settings, at::Tensor content, Member start, Random random,
             Turn turn, Workers& workers, Reporter& reporter, Checkpoint& checkpoint);

    void run();
    /// After run() and its evaluation: see `holdout` in the options.
    void fit_all();

    const Member& best() const { return best_; }
    /// Of the best weights, on the validation items.
    /// 最佳权重在验证物品上的 NDCG@10。
    double best_ndcg() const { return now_.best_ndcg; }
    /// Of each item among the labels now trained on; what a sampled softmax is corrected with.
    /// 各物品在当前训练标签中的占比，用于采样 softmax 的校正。
    const std::vector<float>& label_share() const { return label_share_; }
    /// What was measured so far, in sums over it and the turns before it where `before` has them:
    /// `best_epoch`, `epochs`, `labels`, `labels_per_s`, `train_seconds`, …
    nlohmann::json metrics(const nlohmann::json& before) const;
    double seconds() const;

  private:
    void run_epoch();
    double run_step(const Sequences& sequences, std::span<const Window> windows);
    double update(std::vector<ShardOutput>& outputs);
    void validate();
    nlohmann::json validation_metrics(const Member& member);
    bool cool_down();
    void start_from(const Member& weights);
    void choose_user_scale();
    void train_on(Part part);
    Member whole(Member member) const;
    double time_share() const;
    bool out_of_time() const { return time_share() >= 1; }
    double share_done() const;
    double learning_share() const;
    Member averaged();
    void report(double loss);
    std::vector<NamedTensor> tensors();
    void save();
    void resume();

    const Dataset& data_;
    const Settings& settings_;
    const Turn turn_;
    Workers& workers_;
    Reporter& reporter_;
    Checkpoint& checkpoint_;
    Random random_;
    Transformer model_;
    DenseOptimizer optimizer_;
    std::optional<RowTable> items_;  // when the softmax is sampled
    RowTable users_;
    std::vector<float> label_share_;
    Content content_;
    bool shuffles_;  // what happened at one time
    Schedule schedule_;
    kernels::AdamStep last_step_{};
    std::vector<Question> validation_questions_;
    std::int64_t validation_interval_;  // in steps

    Standing now_;
    Member best_;
    nlohmann::json clicks_only_;
    double user_scale_ = 1;
    std::chrono::steady_clock::time_point start_;
    double epoch_share_ = 0;  // of the current epoch that is done
    double reported_ = 0;     // of the whole training, as last told

    Part part_ = Part::Training;
    at::Tensor best_users_;  // before they were scaled
    std::int64_t final_epochs_ = 0;
    double begun_seconds_ = 0;
};

}  // namespace seqrec::trainer
