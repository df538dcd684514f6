// AdamW and the moving average of the weights, for dense tensors and for tables of which a step touches a few
// rows.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernels/step_kernels.hpp"
#include "run/workers.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// The numbers of one step.
/// 单步优化所用的数值。
class Schedule {
  public:
    /// Steps until the learning rate is reached: of fresh weights, and of weights that are trained already, of which an update
    /// makes a few dozen steps.
    /// 达到学习率所需的步数：全新权重，以及已训练过的权重（一次更新只有几十步）。
    static constexpr std::int64_t kFresh = 100, kTrained = 20;

    /// Of anything that has learning_rate, weight_decay and average.
    template <typename Settings>
    explicit Schedule(const Settings& settings, std::int64_t warm_up = kFresh)
        : learning_rate_(settings.learning_rate),
          weight_decay_(settings.weight_decay),
          average_(settings.average),
          warm_up_(warm_up) {}
    /// Moves to the next step, at `share` of the peak learning rate once the warm-up is over.
    kernels::AdamStep next(double share);
    std::int64_t step() const { return step_; }
    /// Goes on after `step` steps.
    void restart(std::int64_t step = 0) { step_ = step; }

  private:
    double learning_rate_, weight_decay_, average_;
    std::int64_t warm_up_, step_ = 0;
};

/// AdamW (Loshchilov and Hutter 2019) of dense tensors, with an exponential moving average of the weights.
/// 稠密张量的 AdamW，并维护权重的指数滑动平均。
class DenseOptimizer {
  public:
    /// An undefined tensor is left alone, and so are its gradients.
    explicit DenseOptimizer(std::vector<at::Tensor> weights);
    /// One step with the sum of the shards' gradients: gradients[shard][tensor].
    void apply(const std::vector<std::vector<at::Tensor>>& gradients, const kernels::AdamStep& step,
               Workers& workers);
    const std::vector<at::Tensor>& averages() const { return averages_; }
    /// Calls visit(name, tensor) for all that a step changes beside the weights themselves.
    template <typename Visit>
    void for_each(const Visit& visit) {
        for (std::size_t i = 0; i < weights_.size(); ++i)
            if (weights_[i].defined())
                for (auto [name, list] :
                     {std::pair{"moment1.", &moments1_}, {"moment2.", &moments2_}, {"average.", &averages_}})
                    visit(name + std::to_string(i), (*list)[i]);
    }

  private:
    struct Piece {
        std::size_t tensor;
        std::int64_t begin, end;
    };
    std::vector<at::Tensor> weights_, moments1_, moments2_, averages_;
    std::vector<Piece> pieces_;
};

/// Rows of a table in ascending order without repetition, and the gradient of each.
/// 表中若干行（升序且不重复）及其梯度。
struct RowGradient {
    std::vector<std::int32_t> rows;
    at::Tensor values;  // [rows, dim]
};

/// The sum of several, over the union of their rows.
RowGradient merge(const std::vector<RowGradient>& parts, std::int64_t dim);

/// A table whose rows are updated only when a step touches them; what a row missed meanwhile (weight decay,
/// fading moments, the average's approach) is made up for when it is touched or the average is read: a step
/// costs its touched rows, not the table.
/// 仅在被触及时更新的行表；期间缺失的衰减与平均在下次触及或读取时补上，因此每步开销只与触及的行数有关。
class RowTable {
  public:
    explicit RowTable(at::Tensor weight);
    const at::Tensor& weight() const { return weight_; }
    void apply(const RowGradient& gradient, const kernels::AdamStep& step, std::int64_t now,
               Workers& workers);
    /// Calls visit(name, tensor) for all that a step changes.
    template <typename Visit>
    void for_each(const std::string& prefix, const Visit& visit) {
        visit(prefix + "weight", weight_);
        visit(prefix + "moment1", moment1_);
        visit(prefix + "moment2", moment2_);
        visit(prefix + "average", average_);
        visit(prefix + "touched", touched_);
    }
    /// The averaged table, brought up to `now`.
    at::Tensor average(std::int64_t now, float rate) const;

  private:
    void catch_up(std::int64_t row, const kernels::AdamStep& step, std::int64_t now);

    at::Tensor weight_, moment1_, moment2_, average_;
    at::Tensor touched_;  // int32 [rows]: the step that last updated a row
};

}  // namespace seqrec::trainer
