// Short trainings that tell what a long one is to be given: content of items, moments of clicks.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "kinds/shared/epochs.hpp"
#include "kinds/transformer/context_choice.hpp"
#include "kinds/transformer/pace.hpp"
#include "kinds/transformer/transformer_settings.hpp"

namespace seqrec::trainer {

/// Each takes a twentieth of the time at most: a few passes over as many users, drawn, as that is enough for. Where that is
/// too few to tell anything, nothing is tried: content takes part, moments do not. What they took counts; who watches is told of a
/// tenth of the whole for each.
/// 每次至多用二十分之一的时间：对随机抽取的、时间足够的部分用户训练数轮。若少得无法说明问题则不作尝试：采用内容，不采用时刻。
/// 所用时间计入，每次对观看者计为全部的十分之一。
class Trials {
  public:
    /// All begin with the state of `random` as it is now.
    /// 均从 random 此刻的状态开始。
    Trials(const Run& run, const Settings& settings, const Pace& pace, const Random& random, Turn& turn);

    /// Whether content [items, width] takes part in the training: as asked, or as a short training with and one without it rank the
    /// validation items. Where it does not pay, items that nobody has had get their rows by a fit.
    /// 内容 [物品数, width] 是否参与训练：按选项，或由有、无内容的两次短训练在验证物品上的排名决定；不划算时以拟合给出新物品的行。
    bool trains_content(const at::Tensor& content);
    /// What of the moment takes part: as asked, or as short trainings tell.
    /// 采用哪些时刻信息：按选项，或由短训练决定。
    ContextUse uses_context(const at::Tensor& content);
    /// `content_ndcg@10`, `context_ndcg@10`, where they were decided; `trials` `none` where there was no time to.
    /// 作出选择时的 content_ndcg@10 与 context_ndcg@10；无暇尝试时 trials 为 none。
    const nlohmann::json& metrics() const { return metrics_; }

  private:
    bool is_possible();
    ShortTraining train(const at::Tensor& content, const Moments& moments, std::int64_t most_epochs);

    const Run& run_;
    const Settings& settings_;
    const Random random_;
    Turn& turn_;
    double share_;                        // of the users
    std::optional<ShortTraining> plain_;  // the one without content and moments, which both ask for
    nlohmann::json metrics_ = nlohmann::json::object();
};

}  // namespace seqrec::trainer
