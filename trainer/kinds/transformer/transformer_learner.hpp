// One network in training: what a transformer makes of the steps that Epochs gives it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "kinds/shared/learner.hpp"
#include "kinds/shared/optimizer.hpp"
#include "kinds/transformer/rehearsal.hpp"
#include "kinds/transformer/shard.hpp"
#include "kinds/transformer/teacher.hpp"
#include "kinds/transformer/transformer_weights.hpp"

namespace seqrec::trainer {

/// A network, its users' vectors and, when the softmax is sampled, its items' rows by themselves.
/// 一个网络及其用户向量；采样 softmax 时物品行单独更新。
class TransformerLearner final : public Learner {
  public:
    /// `start`: the weights to begin with; `content` [items, width], undefined for none.
    /// start 为初始权重；content [物品数, width]，没有则未定义。
    /// `moments`: what is known of them, as the start has it.
    /// moments 为对时刻的了解，须与 start 一致。
    TransformerLearner(const Dataset& data, const Settings& settings, at::Tensor content, Member start,
                       Workers& workers, const Moments& moments = kNoMoments);

    /// Steps say again what an earlier model knows; `rehearsal` must outlive the learner.
    /// 各步重述早先模型所知；rehearsal 须比本对象存活更久。
    void rehearse(const Rehearsal& rehearsal) { rehearsal_ = &rehearsal; }

    /// A part of each label is learned from what networks that are trained already say, which takes all items as candidates;
    /// `teacher` must outlive the learner.
    /// 各标签的一部分向已训练好的网络学习，须以全部物品为候选；teacher 须比本对象存活更久。
    void learn_from(const Teacher& teacher) { teacher_ = &teacher; }

    const Member& best() const { return best_; }
    /// Of each item among the labels now trained on; what a sampled softmax is corrected with.
    /// 各物品在当前训练标签中的占比，用于采样 softmax 的校正。
    const std::vector<float>& label_share() const { return label_share_; }
    /// What refine() chose: `user_scale`, and `valid_ndcg@10_clicks_only`.
    /// refine() 的选择：user_scale 与 valid_ndcg@10_clicks_only。
    nlohmann::json metrics() const;

    void look_at(Part part) override;
    Effort effort(const std::vector<Question>& validation) const override;
    Outcome gradients(const Lesson& lesson) override;
    void apply(const kernels::AdamStep& step, std::int64_t now) override;
    void average(const kernels::AdamStep& step, std::int64_t now) override;
    std::unique_ptr<const Weights> candidate() const override;
    void keep(bool better) override;
    void start_from_best() override;
    /// Shortens the users' vectors, or drops them, when the validation items rank better so: the long-term
    /// interest must not hurt.
    /// 若缩短或去掉用户向量能使验证物品排名更好，则如此：长期兴趣不应有害。
    double refine(double ndcg, const Rank& rank) override;
    void begin_refit(Random& random) override;
    std::vector<NamedTensor> tensors() override;
    std::vector<NamedTensor> best_tensors() override;

  private:
    static const Moments kNoMoments;

    Member whole(Member member) const;

    const Dataset& data_;
    const Settings& settings_;
    const Moments& moments_;
    const std::vector<float> weights_;  // of labels, by place; empty: all alike
    Workers& workers_;
    Transformer model_;
    DenseOptimizer optimizer_;
    std::optional<RowTable> items_;  // when the softmax is sampled
    RowTable users_;
    std::vector<float> label_share_;
    Content content_;
    const Rehearsal* rehearsal_ = nullptr;  // of an earlier model; null for none
    const Teacher* teacher_ = nullptr;      // of earlier networks; null for none
    std::vector<ShardOutput> outputs_;      // of the lesson that is not applied yet

    Member candidate_, best_;
    at::Tensor best_users_;  // before refine() scaled them
    double user_scale_ = 1;
    nlohmann::json clicks_only_;
};

}  // namespace seqrec::trainer
