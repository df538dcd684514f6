// What a training decides before it begins: what it reads, how many networks, of how many items a step's softmax.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "kinds/transformer/pace.hpp"
#include "kinds/transformer/predecessor.hpp"
#include "kinds/transformer/trials.hpp"

namespace seqrec::trainer {

/// The choices that a training goes by from its first step to its last.
/// 训练开始前的各项决定：读取什么、训练几个网络、每步 softmax 使用多少物品。
struct Plan {
    std::int64_t members, students, sampled_items;
    bool trains_content = false;
    ContextUse context{};
    nlohmann::json metrics = nlohmann::json::object();  ///< what it was decided by
    double seconds = 0, shown = 0;  ///< what deciding took, and what share of the whole that is told as

    nlohmann::json to_json() const;
    static Plan from_json(const nlohmann::json& plan);
};

/// As an earlier model has it, as the options have it, or as this machine and short trainings tell; an interrupted training as
/// its checkpoint has it, for it could find otherwise and its checkpoints would be another training's. Sets `members`,
/// `students` and `sampled_items` of `settings`.
/// 依次按早先模型、选项，或由本机速度与短训练决定；中断的训练沿用其检查点，否则可能得出不同选择而检查点不再适用。
/// 并设置 settings 的 members、students 与 sampled_items。
Plan make_plan(const Run& run, Settings& settings, const Open& open, const Random& random,
               const at::Tensor& content, const std::optional<Predecessor>& before);

}  // namespace seqrec::trainer
