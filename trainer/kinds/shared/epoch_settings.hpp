// What the course of a training in epochs depends on.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

namespace seqrec::trainer {

/// The options that the course of a training depends on.
/// 决定训练过程的选项。
struct EpochSettings {
    std::int64_t epochs;   ///< at most
    std::int64_t max_len;  ///< inputs of a window at most
    std::int64_t batch;    ///< inputs of a step
    std::int64_t
        patience;  ///< validations without gain before the cool-down, and before the end; 0: see is_past_best()
    int shards = 1;       ///< of a step, see shards_of()
    double user_dropout;  ///< share of windows whose user is left out
    double learning_rate, weight_decay;
    double average = 0.999;  ///< decay of the moving average of the weights
    double max_seconds;      ///< from the beginning of the first turn
    double cool_down;  ///< share of the training in which the learning rate falls; 0 for none, 1 for all
    double users_share = 1;  ///< how many of the users, drawn, a pass reads
    bool refit;              ///< whether fit_all() does anything
    /// All options as used: a checkpoint of others is none of this training's.
    /// 实际使用的全部选项：选项不同的检查点不属于此次训练。
    nlohmann::json options = nlohmann::json::object();
    /// What the time of one validation is set aside for: that of the epoch, and those of Learner::refine.
    /// 需预留时间的验证次数：本轮的一次，以及 Learner::refine 的。
    double validations_to_come = 1;
};

/// A shard a thread, but none so small that adding up gradients costs more than computing them.
/// 每线程一个分片，但不至于小到累加梯度比计算更费。
int shards_of(std::int64_t batch, std::int64_t threads);

}  // namespace seqrec::trainer
