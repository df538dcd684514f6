// Whether knowing the moment helps, by what two short trainings rank.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "kinds/trainer_kind.hpp"
#include "kinds/transformer/moments.hpp"
#include "kinds/transformer/transformer_weights.hpp"

namespace seqrec::trainer {

/// Passes of a short training: enough to tell, and the learning rate falls at their end.
/// 短训练的轮数：足以说明问题，学习率在末尾下降。
inline constexpr std::int64_t kShortEpochs = 10;

/// What a short training gave.
/// 一次短训练的结果。
struct ShortTraining {
    double ndcg;  ///< NDCG@10 on the validation items
    std::int64_t epochs;
    Member best{};
};
/// Trains shortly with moments or without (that do not exist), for so many epochs at most.
/// 以（或不以）时刻信息作短训练，至多若干轮。
using TrainShortly = std::function<ShortTraining(const Moments& moments, std::int64_t most_epochs)>;

struct ContextChoice {
    ContextUse use;
    /// `context_ndcg@10`; empty where nothing was to be decided.
    /// context_ndcg@10；无可选择时为空。
    nlohmann::json metrics = nlohmann::json::object();
};

/// As `wish` has it (the option `context_use`), of what the data offer; Error 22023 for what they don't. `auto` keeps what
/// ranks the validation items better, as they are asked when it is served (clicks as plain ids): time or columns when to say them ranks better than not
/// to say them, by the same weights, and better than weights that know nothing of moments, by two standard errors each;
/// and where nothing is said, those must not rank better by one.
/// 按选项 context_use 的要求与数据所能提供的内容决定；数据没有所要求者时抛出 Error 22023。auto 按服务时的提问方式（点击只有 id）比较验证物品的排名：
/// 同一权重下说明时刻优于不说明，且优于不了解时刻的权重（均以两倍标准误为界），才予以采用；不说明时也不得差过一倍标准误。
ContextChoice choose_context(const Run& run, const std::string& wish, const TrainShortly& train);

/// NDCG@10 of the test by the weights that are measured: `plain`, `with` the moment of the question said, and `with_clicks`,
/// where those of the clicks are said too.
/// 被测量权重在测试上的 NDCG@10：不说明（plain）、说明提问时刻（with）、同时说明各点击的时刻（with_clicks）。
nlohmann::json context_test(const Run& run, const TransformerWeights& weights, const Moments& moments);

}  // namespace seqrec::trainer
