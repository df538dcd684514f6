// The options of one training of two towers, every one of them decided.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "data/dataset.hpp"
#include "kinds/shared/epoch_settings.hpp"

namespace seqrec::trainer {

/// Options as used: `resolve_options` gives the fixed ones, the data decides those that are null.
/// 实际使用的选项：固定值来自 resolve_options，为 null 的由数据决定。
struct TowerSettings {
    std::int64_t dim, heads, max_len, hidden, content_hidden, epochs, batch, negatives, seed, threads,
        patience;
    double dropout, id_dropout, feature_dropout, temperature, learning_rate, weight_decay, max_seconds,
        cool_down, cold_shift;  // the last kOpenShift: chosen on the validation items
    bool bce, all_items, refit, bfloat16;
    double average = 0.999;  ///< decay of the moving average of the weights

    /// `earlier`: the configuration of the model that the training starts from, null for a fresh start.
    /// earlier 为起始模型的配置，全新训练时为 null。
    TowerSettings(const nlohmann::json& options, const Dataset& data, const nlohmann::json& earlier);
    nlohmann::json to_json() const;
    /// What the course of the training depends on.
    /// 训练过程所依据的选项。
    EpochSettings course() const;
};

}  // namespace seqrec::trainer
