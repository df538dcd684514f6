// The options of one training, every one of them decided.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "data/dataset.hpp"
#include "kinds/shared/epoch_settings.hpp"

namespace seqrec::trainer {

/// Options as used: `resolve_options` gives the fixed ones, the data decides those that are null.
/// 实际使用的选项：固定值来自 resolve_options，为 null 的由数据决定。
struct Settings {
    std::int64_t members, dim, layers, heads, max_len, epochs, batch_tokens, sampled_items, students, seed,
        threads, patience;
    double dropout, user_dropout, temperature, learning_rate, weight_decay, max_seconds, cool_down;
    double id_dropout, cold_shift;     // the latter kOpenShift: chosen on the validation items
    bool refit, bfloat16, serves_one;  // the last: `serving` is fast
    std::string content_use;           // trained, fitted, or auto: a short training tells
    std::string context_use;           // none, time, columns, all, or auto: a short training tells
    nlohmann::json exclude_events;     // list of names
    double distill;          // labels of the earlier model for each new one; below 0: decided by the data
    bool keep_items;         // as far as it is asked for: the export decides otherwise
    std::string device;      // cpu or cuda
    double average = 0.999;  // decay of the moving average of the weights

    /// `earlier`: the configuration of the model that the training starts from, null for a fresh start.
    Settings(const nlohmann::json& options, const Dataset& data, const nlohmann::json& earlier);
    nlohmann::json to_json() const;
    /// Of a user's vector; 0 where nobody has one.
    /// 用户向量的宽度；无人有向量时为 0。
    std::int64_t user_width() const { return has_users() ? dim : 0; }
    /// Whether users have vectors: else every window is trained without its user.
    /// 用户是否有向量；否则所有窗口都不带用户训练。
    bool has_users() const { return user_dropout < 1; }
    /// What the course of the training depends on.
    /// 训练过程所依据的选项。
    EpochSettings course() const;
};

}  // namespace seqrec::trainer
