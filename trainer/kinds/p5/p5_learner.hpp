// One stage of a p5 in training: what it makes of the steps that Epochs gives it.
#pragma once

#include <memory>
#include <optional>

#include "kinds/p5/p5_shard.hpp"
#include "kinds/p5/p5_weights.hpp"
#include "kinds/p5/prompt_use.hpp"
#include "kinds/shared/learner.hpp"
#include "kinds/shared/optimizer.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// A network and its users' own tokens, of which a stage changes a part; the rest stays as it is, to the bit.
/// 网络与各用户自己的词元；一个阶段只改变其中一部分，其余逐位不变。
class P5Learner final : public Learner {
  public:
    /// `features`: of the users, none of whom is known in pretraining. `start` is not changed.
    /// features 为各用户的特征（预训练时一无所知）；start 不会被修改。
    P5Learner(const Dataset& data, const P5Settings& settings, Stage stage,
              std::shared_ptr<const UserFeatures> features, const P5State& start, Workers& workers);

    const P5State& best() const { return best_; }
    /// Whether validation ranked better with users' own tokens.
    /// 使用用户自己的词元时验证排名是否更好。
    bool has_personal_tokens() const { return personal_tokens_; }
    /// Up to which history prompts of columns pay, as the validation items say.
    /// 验证物品表明：由列构成的提示在多长的历史之内有益。
    const PromptUse& prompt_use() const { return prompt_use_; }

    void look_at(Part part) override;
    Effort effort(const std::vector<Question>& validation) const override;
    Outcome gradients(const Lesson& lesson) override;
    void apply(const kernels::AdamStep& step, std::int64_t now) override;
    void average(const kernels::AdamStep& step, std::int64_t now) override;
    std::unique_ptr<const Weights> candidate() const override;
    void keep(bool better) override;
    void start_from_best() override;
    /// After the last stage: drops users' own tokens when the validation items rank better so, and decides up to which history others are
    /// prompted.
    /// 在最后一个阶段之后：若去掉用户自己的词元能使验证物品排名更好，则去掉；并决定在多长的历史之内使用其余提示。
    double refine(double ndcg, const Rank& rank) override;
    std::vector<NamedTensor> tensors() override;
    std::vector<NamedTensor> best_tensors() override;

  private:
    void begin_with(const P5State& start);
    std::vector<at::Tensor> dense_weights();
    bool samples_items() const;
    P5Weights weights_of(const P5State& state) const;

    const Dataset& data_;
    const P5Settings& settings_;
    const Stage stage_;
    const Scribe scribe_;
    Workers& workers_;
    P5Network network_;
    std::optional<DenseOptimizer> optimizer_;
    std::optional<RowTable> items_;  // when the softmax is sampled and items are trained
    std::optional<RowTable> personal_;
    std::vector<float> label_share_;
    std::vector<P5Output> outputs_;  // of the lesson that is not applied yet
    bool personal_tokens_;
    PromptUse prompt_use_;

    P5State candidate_, best_;
};

}  // namespace seqrec::trainer
