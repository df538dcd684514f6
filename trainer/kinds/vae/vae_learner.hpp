// A variational auto-encoder in training: what it makes of the steps that Epochs gives it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "kinds/shared/learner.hpp"
#include "kinds/shared/optimizer.hpp"
#include "kinds/vae/vae_step.hpp"
#include "kinds/vae/vae_weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// The network and, when the catalogue is sampled, its items' rows by themselves.
/// 网络；对目录采样时物品行单独更新。
class VaeLearner final : public Learner {
  public:
    VaeLearner(const Dataset& data, const VaeSettings& settings, Vae start, Workers& workers);

    const Vae& best() const { return best_; }

    void look_at(Part part) override;
    Effort effort(const std::vector<Question>& validation) const override;
    Outcome gradients(const Lesson& lesson) override;
    void apply(const kernels::AdamStep& step, std::int64_t now) override;
    void average(const kernels::AdamStep& step, std::int64_t now) override;
    std::unique_ptr<const Weights> candidate() const override;
    void keep(bool better) override;
    void start_from_best() override;
    /// `reconstruction` and `kl`, means of a label and of a position in nats, `active_units`, and `beta` as it was last.
    /// 重构误差与 KL（每标签、每位置的平均，奈特）、活跃维数，以及最近的 beta。
    nlohmann::json numbers() override;
    std::vector<NamedTensor> tensors() override;
    std::vector<NamedTensor> best_tensors() override;

  private:
    /// Of the steps since numbers() were asked for.
    struct Sums {
        double reconstruction = 0, steps = 0, positions = 0;
        at::Tensor divergence{};
    };
    void count(const std::vector<VaeOutput>& outputs);

    const Dataset& data_;
    const VaeSettings& settings_;
    Workers& workers_;
    Vae model_;
    DenseOptimizer optimizer_;
    std::optional<RowTable> items_;  // when the catalogue is sampled
    Catalogue catalogue_;
    std::vector<std::vector<at::Tensor>> dense_;  // gradients of the lesson that is not applied yet
    RowGradient item_gradient_;
    Sums sums_;
    double beta_ = 0;
    Vae candidate_, best_;
};

}  // namespace seqrec::trainer
