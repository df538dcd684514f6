// Two towers in training: what they make of the steps that Epochs gives them.
#pragma once

#include <memory>

#include "kinds/shared/learner.hpp"
#include "kinds/two_tower/step.hpp"
#include "kinds/two_tower/tower_weights.hpp"

namespace seqrec::trainer {

/// What both towers are trained on. 两座塔的训练材料。
struct TowerMaterial {
    const Dataset& data;
    ContentRows content;
    std::shared_ptr<const UserFeatures> features;
};

/// The weights that rank and serve. 用于排名与服务的权重。
std::unique_ptr<const Weights> weights_of(const TowerPair& pair, const TowerMaterial& material,
                                          Workers& workers);

/// The numbers of a residual that begins are at most so large. 全新残差的数值上限。
inline constexpr float kFreshNumbers = 0.02f;

/// Both towers, and the ids' residuals, which are updated by rows.
/// 两座塔与按行更新的 id 残差。
class TowerLearner final : public Learner {
  public:
    TowerLearner(const TowerMaterial& material, const TowerSettings& settings, TowerPair start,
                 Workers& workers);

    const TowerPair& best() const { return best_; }

    void look_at(Part part) override;
    Effort effort(const std::vector<Question>& validation) const override;
    Outcome gradients(const Lesson& lesson) override;
    void apply(const kernels::AdamStep& step, std::int64_t now) override;
    void average(const kernels::AdamStep& step, std::int64_t now) override;
    std::unique_ptr<const Weights> candidate() const override {
        return weights_of(candidate_, material_, workers_);
    }
    void keep(bool better) override;
    void start_from_best() override;
    /// Gives items whose first interaction was held out a residual to begin with.
    /// 为首次交互被留出的物品给出初始残差。
    void begin_refit(Random& random) override;
    std::vector<NamedTensor> tensors() override;
    std::vector<NamedTensor> best_tensors() override;

  private:
    at::Tensor make_rows(const StepItems& items, Random& random);
    at::Tensor go_back(const StepItems& items, const at::Tensor& table);
    at::Tensor gather(std::vector<TowerOutput>& outputs, double& loss);

    const TowerMaterial& material_;
    const Dataset& data_;
    const TowerSettings& settings_;
    Workers& workers_;
    Towers towers_;
    DenseOptimizer optimizer_;
    RowTable residuals_;
    Catalogue catalogue_;
    StepItems all_;                               // where all items are candidates
    ContentRows warm_content_;                    // theirs
    std::vector<ItemPart> parts_;                 // of the lesson's items, one a worker
    std::vector<std::vector<at::Tensor>> dense_;  // gradients of the lesson that is not applied yet
    RowGradient residual_gradient_;
    TowerPair candidate_, best_;
};

}  // namespace seqrec::trainer
