// The options of one training of a variational auto-encoder, every one of them decided.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "data/dataset.hpp"
#include "kinds/shared/epoch_settings.hpp"

namespace seqrec::trainer {

/// Options as used: `resolve_options` gives the fixed ones, the data decides those that are null.
/// 实际使用的选项：固定值来自 resolve_options，为 null 的由数据决定。
struct VaeSettings {
    std::int64_t dim, latent, layers, heads, max_len, next_items, epochs, batch_tokens, sampled_items, seed,
        threads, patience;
    double beta, anneal_share, free_bits, dropout, temperature, learning_rate, weight_decay, max_seconds,
        cool_down;
    bool attention, mse, refit, bfloat16;

    /// `earlier`: the configuration of the model that the training starts from, null for a fresh start.
    /// earlier 为起始模型的配置，全新训练时为 null。
    VaeSettings(const nlohmann::json& options, const Dataset& data, const nlohmann::json& earlier);
    nlohmann::json to_json() const;
    /// What the course of the training depends on.
    /// 训练过程所依据的选项。
    EpochSettings course() const;
    /// The weight of the KL divergence when a share of the training is done.
    /// 训练完成某一比例时 KL 散度的权重。
    double beta_at(double share_done) const;
};

}  // namespace seqrec::trainer
