// How well items are served that nobody has had yet: those that were held out of training whole.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/dataset.hpp"
#include "kinds/weights.hpp"
#include "measure/repeats.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// Metrics of the test questions about items that were held out whole; an empty object without them. `cold_recall@10` and
/// `cold_ndcg@10`: ranked among the held-out items alone; `cold_all_recall@10`, `cold_all_ndcg@10`: among everything.
/// Beside them what chance gives (`cold_random_recall@10`), and, generously, the popularity that they really had
/// (`cold_popularity_recall@10`). `cold_exposure@10`: their share of the ten best over all questions, which is
/// calibrated where it is near `cold_asked`, the share of the questions that are about them. `cold_cost@10`: how much of the
/// other questions' NDCG@10 is lost because they are there, as a share; `shifts` count in this one alone.
/// 关于整个留出的物品的指标（没有则为空对象）：cold_* 只在留出物品中排名，cold_all_* 在全部物品中排名；
/// 附随机与（宽松的）真实热度作比较。cold_exposure@10 为它们在前十名中所占的比例，接近 cold_asked（关于
/// 它们的问题所占比例）时即为校准。cold_cost@10：其余问题的 NDCG@10 因它们的存在而损失的比例；shifts 只用于此项。
nlohmann::json cold_metrics(const Dataset& data, const Weights& measured, const Shifts& shifts,
                            Workers& workers, const std::function<void(double)>& poll);

/// The same weights, which must outlive it, as if items held out whole were not there to be recommended.
/// 同样的权重（须比返回值活得更久），仿佛整个留出的物品不可被推荐。
std::unique_ptr<const Weights> without_held_out(const Dataset& data, const Weights& weights);

/// Share of a part's questions that are about items held out whole; 0 without a question.
/// 该部分问题中关于整个留出物品者所占的比例；没有问题则为 0。
double cold_asked(const Dataset& data, HeldOut part);

/// Their share of the ten best over a part's questions, of which a thousand are looked at.
/// 它们在该部分问题（取一千个）的前十名中所占的比例。
double cold_exposure(const Dataset& data, HeldOut part, const Weights& weights);

/// NDCG@10 of the questions about held-out items, ranked among themselves; 0 without a question.
/// 关于留出物品的问题只在留出物品中排名的 NDCG@10；没有问题则为 0。
double cold_ndcg(const Dataset& data, HeldOut part, const Weights& weights);

}  // namespace seqrec::trainer
