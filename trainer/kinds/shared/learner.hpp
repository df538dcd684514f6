// What differs between the kinds that learn sequences in epochs: all that Epochs asks of a network.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "data/dataset.hpp"
#include "files/tensor_file.hpp"
#include "kernels/step_kernels.hpp"
#include "kinds/shared/batches.hpp"
#include "kinds/weights.hpp"

namespace seqrec::trainer {

/// One step: some windows of the users' sequences, and the same spread over shards.
/// 一步训练：部分用户序列的窗口，以及分摊到各分片的同样内容。
struct Lesson {
    const Sequences& sequences;
    std::span<const Window> windows;
    std::vector<Packed>& shards;  ///< may be moved from; `seed` is of each one's dropout masks
    Random& random;               ///< the training's own: drawn from by one thread only
    std::int64_t epoch, step;     ///< epochs from 1, steps from 0
    /// Of the training, 0 to 1; 1 in the final fit on everything. By time where that is short.
    /// 训练的完成比例，0 到 1；在全部数据上的最终拟合中为 1。时间不足时按时间计。
    double share_done;
};

/// What a step found.
/// 一步的结果。
struct Outcome {
    double loss = 0;          ///< mean of a label
    std::int64_t labels = 0;  ///< 0: nothing was learned, and nothing is to be applied
    double flops = 0;         ///< of its matrix products, for the report; 0: not counted
};

/// Multiplications and additions of ranking all validation questions, and of a usual step: how often to validate.
/// 对全部验证问题排名与普通一步的运算量，由此决定验证频率。
struct Effort {
    double ranking, step;
};

/// NDCG@10 of weights on the validation questions.
/// 权重在验证问题上的 NDCG@10。
using Rank = std::function<double(const Weights&)>;

/// A network in training: its weights, their moments and moving averages, and the best averages so far. Epochs asks
/// it, in this order: look_at, (gradients, apply) a step, (average, candidate, keep) a validation, start_from_best at the
/// cool-down, refine at the end, then for the final fit look_at(Part::All), begin_refit, start_from_best, steps, average, keep.
/// 训练中的网络：权重、动量与滑动平均，以及目前最佳的平均。由 Epochs 按上述顺序调用。
class Learner {
  public:
    virtual ~Learner() = default;

    /// What steps are about from here on; before the first step with Part::Training.
    /// 此后各步所学的范围；首步之前为 Part::Training。
    virtual void look_at(Part part) = 0;
    /// Asked once, before anything else.
    /// 最先询问，仅一次。
    virtual Effort effort(const std::vector<Question>& validation) const = 0;

    /// Forward and backward: the gradients are kept until apply().
    /// 前向与反向；梯度保留到 apply()。
    virtual Outcome gradients(const Lesson& lesson) = 0;
    /// One optimizer step, the `now`-th since it began or start_from_best(), with the gradients of the last
    /// lesson.
    /// 用上一步的梯度更新权重；now 为自开始或 start_from_best() 以来的步数。
    virtual void apply(const kernels::AdamStep& step, std::int64_t now) = 0;

    /// Takes the moving averages of the weights after `now` steps, the last of which was `step`: the candidate.
    /// 取 now 步之后权重的滑动平均作为候选；step 为最后一步。
    virtual void average(const kernels::AdamStep& step, std::int64_t now) = 0;
    /// The candidate, as weights to rank with.
    /// 候选，作为可用于排名的权重。
    virtual std::unique_ptr<const Weights> candidate() const = 0;
    /// The candidate becomes the best, or is forgotten.
    /// 候选成为最佳，或被丢弃。
    virtual void keep(bool better) = 0;
    /// Goes on from the best weights, with moments and averages as if training had just begun.
    /// 从最佳权重继续，动量与平均重新开始。
    virtual void start_from_best() = 0;

    /// Once training is over and there are validation questions: last choices about the best weights, whose NDCG@10 is
    /// `ndcg`. Returns that of the weights as they are then.
    /// 训练结束且有验证问题时：对最佳权重作最后的选择；返回此后的 NDCG@10。
    virtual double refine(double ndcg, const Rank& rank) {
        (void)rank;
        return ndcg;
    }
    /// Before the final fit on everything starts from the best: what the training part had nothing of.
    /// 最终拟合从最佳权重开始之前：处理训练部分中没有的内容。
    virtual void begin_refit(Random& random) { (void)random; }

    /// Numbers of its own for the `epoch` event of a validation, over the steps since the last one.
    /// 验证时 `epoch` 事件中自有的数字，针对上次验证以来的各步。
    virtual nlohmann::json numbers() { return nlohmann::json::object(); }

    /// Every tensor that steps change, for the checkpoint.
    /// 各步所改变的全部张量，用于检查点。
    virtual std::vector<NamedTensor> tensors() = 0;
    /// Every tensor of the best weights; names need not differ from those of tensors().
    /// 最佳权重的全部张量，名称可与 tensors() 相同。
    virtual std::vector<NamedTensor> best_tensors() = 0;
};

}  // namespace seqrec::trainer
