// How long a history may be for a prompt to help.
#pragma once

#include <nlohmann/json.hpp>

#include "kinds/p5/p5_weights.hpp"
#include "kinds/shared/learner.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// Up to which history prompts of columns pay. 由列构成的提示在多长的历史之内有益。
struct PromptUse {
    std::int64_t until = kAlways;  ///< clicks from which on they are left out
    double whole = 0;              ///< NDCG@10 of the validation items after whole histories, so prompted
    nlohmann::json gains = nlohmann::json::object();  ///< NDCG@10 with less without, by clicks
};

/// Ranks what follows the first 1, 3, 5, ... items of users with prompts and without, and the validation items after whole
/// histories, and finds the length up to which the gains add up to most, each less its standard error: no prompt is read
/// where it was not seen to help. `state` has no users' own tokens.
/// 在用户最初的 1、3、5……个物品之后，以及验证物品在全部历史之后，分别有、无提示地排名，取增益（各减去其标准误）之和最大的长度：
/// 未见有益之处不用提示。state 不含用户自己的词元。
PromptUse where_prompts_pay(const Dataset& data, const P5State& state,
                            const std::shared_ptr<const UserFeatures>& features, const P5Settings& settings,
                            Workers& workers, const Rank& rank);

}  // namespace seqrec::trainer
