// How much of a teaching is what counting says.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "kinds/transformer/companions.hpp"
#include "kinds/transformer/transformer_weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// The weight of company beside the networks' logits that ranks the validation items best, and the NDCG@10 with each that was tried
/// (`company_ndcg@10`); 0 where there are no questions, or none is better than none.
/// 同伴分与各网络 logits 相加时，使验证物品排名最佳的权重，以及各候选权重的 NDCG@10；没有问题或均无改进时为 0。
struct CompanyWeight {
    float weight = 0;
    nlohmann::json metrics = nlohmann::json::object();
};

CompanyWeight choose_company_weight(const Dataset& data, const Members& members, double temperature,
                                    const Companions& companions, Workers& workers,
                                    const std::function<void(double)>& poll);

}  // namespace seqrec::trainer
