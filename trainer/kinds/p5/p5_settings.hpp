// The options of one training of kind p5, every one of them decided.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "kinds/shared/epochs.hpp"

namespace seqrec::trainer {

/// What is trained when: everything but prompts, without users; prompts and head alone; everything.
/// 各阶段所训练的内容：不含提示与用户的全部；仅提示与输出头；全部。
enum class Stage : std::uint8_t { Pretrain, Prompt, Tune };
std::string name_of(Stage stage);

/// Options as used: `resolve_options` gives the fixed ones, the data decides those that are null.
/// 实际使用的选项：固定值来自 resolve_options，为 null 的由数据决定。
struct P5Settings {
    std::vector<Stage> stages;
    std::int64_t dim, layers, heads, max_len, epochs, batch_tokens, sampled_items, seed, threads, patience;
    double dropout, mask_share, user_dropout, feature_dropout, temperature, learning_rate, weight_decay,
        max_seconds, cool_down;
    bool refit, bfloat16;
    bool starts_trained;  ///< from an earlier model

    /// `earlier`: the configuration of the model that the training starts from, null for a fresh start. Error 22023
    /// where prompts are to be tuned for blocks that nobody trained.
    /// earlier 为起始模型的配置，全新训练时为 null。若要为未经训练的块调整提示，抛出 Error 22023。
    P5Settings(const nlohmann::json& options, const Dataset& data, const nlohmann::json& earlier);
    bool has(Stage stage) const;
    /// The course of a stage. 某阶段的训练过程。
    EpochSettings course(Stage stage) const;
    nlohmann::json to_json() const;

  private:
    bool is_first(Stage stage) const { return stages.front() == stage; }
};

}  // namespace seqrec::trainer
