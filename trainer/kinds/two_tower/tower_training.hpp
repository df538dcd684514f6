// One training of two towers, from a dataset to the best weights.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "kinds/two_tower/step.hpp"
#include "kinds/two_tower/tower_weights.hpp"
#include "run/checkpoint.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// How far a training has come: all of its state that is no tensor.
/// 训练进度：除张量以外的全部状态。
struct TowerStanding {
    std::int64_t epoch = 0, best_epoch = 0, without_gain = 0, steps = 0, labels = 0;
    std::int64_t begun = 0,
                 planned_epochs = 0;  // learning rates are planned for epochs begun + 1 .. begun + planned
    std::int64_t validated_step = 0;
    bool cooling = false;  // went back to the best weights
    double best_ndcg = -1, epoch_loss = 0;
    double validation_seconds = 0, step_seconds = 0, seconds = 0;
    // only in a checkpoint
    std::int64_t step = 0;
    std::uint64_t random = 0;
    bool finished = false;  // nothing is left but the final fit

    NLOHMANN_DEFINE_TYPE_INTRUSIVE(TowerStanding, epoch, best_epoch, without_gain, steps, labels, begun,
                                   planned_epochs, validated_step, cooling, best_ndcg, epoch_loss,
                                   validation_seconds, step_seconds, seconds, step, random, finished)
};

/// What both towers are trained on. 两座塔的训练材料。
struct TowerMaterial {
    const Dataset& data;
    ContentRows content;
    std::shared_ptr<const UserFeatures> features;
};

/// Trains on every user's training part, keeps the weights that ranked the validation items best, and stops
/// when they no longer improve.
/// 以每个用户的训练部分训练，保留在验证物品上排名最好的权重，不再提高时停止。
class TowerTraining {
  public:
    /// `checkpoint`: where to go on from when it holds something, and what is kept up to date.
    /// checkpoint 若有内容则从中继续，并持续更新。
    TowerTraining(const TowerMaterial& material, const TowerSettings& settings, TowerPair start,
                  Random random, Workers& workers, Reporter& reporter, Checkpoint& checkpoint);

    void run();
    /// After run(): see `holdout` in the options. 在 run() 之后；见选项 holdout。
    void fit_all();
    std::unique_ptr<const Weights> best() const;
    nlohmann::json metrics() const;

  private:
    void look_at(Part part);
    void run_epoch();
    double run_step(const Sequences& sequences, std::span<const Window> windows);
    at::Tensor make_rows(const StepItems& items, std::vector<ItemPart>& parts);
    double update(const StepItems& items, const std::vector<ItemPart>& parts,
                  std::vector<TowerOutput>& outputs);
    void validate();
    bool cool_down();
    void start_from(const TowerPair& weights);
    double seconds() const;
    double time_share() const;
    bool out_of_time() const { return time_share() >= 1; }
    double share_done() const;
    double learning_share() const;
    TowerPair averaged() const;
    std::unique_ptr<const Weights> weights_of(const TowerPair& pair) const;
    void report(double loss);
    std::vector<NamedTensor> tensors();
    void save();
    void resume();

    const TowerMaterial& material_;
    const Dataset& data_;
    const TowerSettings& settings_;
    Workers& workers_;
    Reporter& reporter_;
    Checkpoint& checkpoint_;
    Random random_;
    Towers towers_;
    DenseOptimizer optimizer_;
    RowTable residuals_;
    Schedule schedule_;
    kernels::AdamStep last_step_{};
    std::vector<Question> validation_questions_;
    std::int64_t validation_interval_;  // in steps

    const bool shuffles_;  // draws the order of what happened at one time
    Part part_ = Part::Training;
    Catalogue catalogue_;
    StepItems all_;             // where all items are candidates
    ContentRows warm_content_;  // theirs
    TowerStanding now_;
    TowerPair best_;
    std::chrono::steady_clock::time_point start_;
    double epoch_share_ = 0;  // of the current epoch that is done
    double reported_ = 0;     // of the whole training, as last told
    std::int64_t final_epochs_ = 0;
    double begun_seconds_ = 0;
};

}  // namespace seqrec::trainer
