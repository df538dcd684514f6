// One training in epochs, from a dataset to the best weights, whatever it is that learns.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kinds/shared/epoch_settings.hpp"
#include "kinds/shared/learner.hpp"
#include "kinds/shared/optimizer.hpp"
#include "kinds/trainer_kind.hpp"
#include "run/checkpoint.hpp"

namespace seqrec::trainer {

/// What was done so far, in sums over a training and the turns before it.
/// 至今完成的工作量，含此前各次训练。
struct Totals {
    std::int64_t best_epoch = 0;  ///< of the last turn, counted from the first epoch of the first
    std::int64_t epochs = 0, final_fit_epochs = 0, steps = 0, labels = 0;
    double flops = 0, step_seconds = 0, seconds = 0;
    double validation_seconds = 0;  ///< of the last one: what the first of the next turn will take

    /// `best_epoch`, `epochs`, `final_fit_epochs`, `steps`, `labels`, `labels_per_s`, `train_seconds`, and `gflops` (a
    /// second) where they were counted.
    /// 以 JSON 给出；未计 flops 时没有 gflops。
    nlohmann::json to_json() const;
};

/// Which of several trainings one is: it gets an equal share of the time that those before have left, or its own.
/// 多次训练中的第几次：平分此前各次剩下的时间，或取自己的份额。
struct Turn {
    std::int64_t number = 0, of = 1;
    /// Share of all that was done before the first of them, or, with a share of its own, before this.
    /// 首次之前（有自己的份额时为本次之前）已完成的比例。
    double begun = 0;
    Totals before{};   ///< as totals() of the turn before gives them
    double share = 0;  ///< of what those before have left; 0: an equal one
    /// Of all, as told to who watches, where that is not what the time says (a short training whose epochs end it); 0: as the
    /// time says.
    /// 告知观看者的占比，用于与时间不符之时（由轮数结束的短训练）；0 表示按时间。
    double shown = 0;
    // What who watches is told of it, since a validation starts from nothing again with each.
    std::int64_t member = 0,
                 members = 0;  ///< which of how many networks that are served together; 0: not one of several
    std::string stage{};       ///< what is trained where that is no such network, or one of another sort

    bool is_trial() const { return shown > 0; }
    /// `epoch`, counted from the first of the first turn, and what else tells where in the whole training it is.
    /// 自首次训练起计的轮次，以及说明其在整个训练中位置的字段。
    nlohmann::json place(std::int64_t epoch) const;
};

/// How far a training has come: all of its state that is no tensor.
/// 训练进度：除张量以外的全部状态。
struct Standing {
    std::int64_t epoch = 0, best_epoch = 0, without_gain = 0, steps = 0, labels = 0;
    std::int64_t begun = 0,
                 planned_epochs = 0;  // learning rates are planned for epochs begun + 1 .. begun + planned
    std::int64_t validated_step = 0;
    bool cooling = false;  // went back to the best weights
    double best_ndcg = -1, epoch_loss = 0;
    std::vector<double> lately{};  // NDCG@10 of the last validations, kLately at most
    double validation_seconds = 0, step_seconds = 0, flops = 0, seconds = 0;
    // only in a checkpoint
    std::int64_t step = 0;
    std::uint64_t random = 0;
    bool finished = false;  // nothing is left but Learner::refine and the final fit

    static constexpr std::size_t kLately = 4;
    void remember(double ndcg);
    /// Whether the last two validations together were no better than the two before: one alone may dip by chance.
    /// 最近两次验证合计是否不优于之前两次：单次下降可能只是偶然。
    bool no_longer_rises() const;
};

/// As a checkpoint has it; Error XX001 where anything is missing but `lately`, which earlier builds did not know.
/// 与检查点中的形式互转；除早期版本没有的 lately 外，缺失任何一项都抛出 Error XX001。
void to_json(nlohmann::json& state, const Standing& standing);
void from_json(const nlohmann::json& state, Standing& standing);

/// Whether the ranking got worse for good: after `patience` validations without gain; with 0, once it no longer rises and a tenth
/// of the epochs would have come after the best with the next validation, and in the first 500 steps not before three without gain.
/// What is ranked are averaged weights, whose course has one summit but for chance (docs/ablations.md).
/// 排名是否已不再提高：patience 次验证无提高之后；为 0 时，若排名不再上升，且到下一次验证将有一成的轮数在最佳轮之后即停止
/// （最初 500 步内须连续三次无提高）。被排名的是平均后的权重，其走势除偶然波动外只有一个峰（docs/ablations.md）。
bool is_past_best(const Standing& now, std::int64_t patience);

/// Trains on every user's training part, keeps the weights that ranked the validation items best, and stops
/// when they no longer improve.
/// 以每个用户的训练部分训练，保留在验证物品上排名最好的权重，不再提高时停止。
class Epochs {
  public:
    /// Goes on from the turn's checkpoint (`run.checkpoint` and its number) when there is one, and keeps it up to
    /// date. `run` and `learner` must outlive it.
    /// 若有本次的检查点则从中继续，并持续更新。run 与 learner 须比它存活更久。
    Epochs(const Run& run, EpochSettings settings, Learner& learner, Random random, Turn turn = {});

    /// Until validation no longer improves, or epochs or time are over; then Learner::refine.
    /// 直到验证不再提高或轮数、时间用尽；之后调用 Learner::refine。
    void run();
    /// After run() and after the best weights were taken from the learner to be measured: trains them a little further
    /// on everything, the held-out items included (`holdout` = refit).
    /// 在 run() 之后：再以包括留出物品在内的全部数据稍作训练。
    void fit_all();

    /// Of the best weights, on the validation items.
    /// 最佳权重在验证物品上的 NDCG@10。
    double best_ndcg() const { return now_.best_ndcg; }
    Totals totals() const;

  private:
    bool is_over() const { return now_.epoch - now_.begun >= now_.planned_epochs; }
    void tell_of_time() const;
    void run_epoch();
    double run_step(const Sequences& sequences, std::span<const Window> windows);
    void validate();
    nlohmann::json rank(const Weights& weights);
    void report_validation(const nlohmann::json& metrics);
    bool cool_down();
    void start_from_best();
    double seconds() const;
    double time_share() const;
    bool out_of_time() const { return time_share() >= 1; }
    double share_done() const;
    double learning_share() const;
    void report(double loss);
    std::vector<NamedTensor> tensors();
    void save();
    void resume();

    const Run& run_;
    const Dataset& data_;
    const EpochSettings settings_;
    Learner& learner_;
    Random random_;
    const Turn turn_;
    Checkpoint checkpoint_;
    Schedule schedule_;
    kernels::AdamStep last_step_{};
    const bool shuffles_;  // what happened at one time
    const std::vector<Question> validation_questions_;
    const std::int64_t validation_interval_;  // in steps
    const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

    Standing now_;
    Part part_ = Part::Training;
    double epoch_share_ = 0;  // of the current epoch that is done
    double reported_ = 0;     // of the whole training, as last told
    std::int64_t final_epochs_ = 0;
    double begun_seconds_ = 0;
};

}  // namespace seqrec::trainer
