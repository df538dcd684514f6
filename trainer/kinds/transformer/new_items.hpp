// What items that nobody has had are given once the networks are trained: rows by their content, moved to where people look.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "kinds/trainer_kind.hpp"
#include "kinds/transformer/transformer_settings.hpp"
#include "kinds/transformer/transformer_weights.hpp"

namespace seqrec::trainer {

/// What was decided, and what by.
/// 所作的选择及其依据。
struct NewItems {
    nlohmann::json config = nlohmann::json::object(), metrics = nlohmann::json::object();
};

/// Sets the rows of the items of `content` [items, width] that were not trained on (nor `said` again by an earlier model), in the members that are measured and in
/// those that are served. Their projection is the one that was trained with the networks (`trained`), or one fitted to the rows
/// that items have in the end: fitted where none was trained, and where the validation questions about items held out whole
/// rank better so (NDCG@10 among those items; a hundred questions or more). Then shared/cold_shift.hpp.
/// 设置未参与训练（也未被早先模型重述，即不在 said 中）而有内容的物品的行。投影或随网络训练（trained），或在训练后拟合到物品最终的行：没有训练投影时，
/// 或关于留出物品的验证问题（不少于一百个）因此排名更好时，采用拟合的。随后按 shared/cold_shift.hpp 移动。
NewItems settle_new_items(const Run& run, const Settings& settings, const at::Tensor& content,
                          std::span<const std::int32_t> said, bool trained, Members& measured,
                          Members& served);

}  // namespace seqrec::trainer
