// The weights of a trained p5.
#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "kinds/p5/p5_network.hpp"
#include "kinds/weights.hpp"

namespace seqrec::trainer {

/// What makes a cosine the logit of "this is her next item": scale * cosine + query . offset[0 .. dim) + offset[dim].
/// 使余弦成为“这是其下一个物品”的 logit：scale · 余弦 + 查询 · offset[0 .. dim) + offset[dim]。
struct Probability {
    double scale;
    std::vector<float> offset;  ///< [dim + 1]

    /// What the softmax itself says, up to its sum. softmax 本身所说（不含归一化和）。
    Probability(const P5Settings& settings)
        : scale(1 / settings.temperature), offset(static_cast<std::size_t>(settings.dim) + 1) {}
    Probability(double scale, std::vector<float> offset) : scale(scale), offset(std::move(offset)) {}
};

/// As many clicks as no history has. 多于任何历史的点击数。
inline constexpr std::int64_t kAlways = std::numeric_limits<std::int64_t>::max();

/// Queries are of unit length, rows of the length of the scale.
/// 查询为单位长度，行的长度为 scale。
class P5Weights final : public Weights {
  public:
    /// `prompt_until`: with so many clicks and more a prompt without a token of the user's own is left out.
    /// prompt_until：点击数达到该值时，不含用户自己词元的提示被省去。
    P5Weights(P5State state, std::shared_ptr<const UserFeatures> features, Probability probability,
              std::int64_t prompt_until = kAlways);
    /// Of a model or snapshot file; Error XX001 when it lacks one.
    /// 读取模型或快照文件；缺失则抛出 Error XX001。
    explicit P5Weights(const SafetensorsFile& file);

    const P5State& state() const { return state_; }
    const UserFeatures& features() const { return scribe_.features(); }
    const Probability& probability() const { return probability_; }
    at::Tensor item_rows() const override;
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override;
    at::Tensor user_rows() const override { return state_.personal; }
    std::vector<NamedTensor> tensors() const override;

  private:
    void encode_part(const Histories& histories, const std::vector<std::int32_t>& users, std::size_t begin,
                     std::size_t end, const at::Tensor& result) const;

    P5State state_;
    Scribe scribe_;
    Probability probability_;
    std::int64_t prompt_until_;
    std::vector<bool> has_own_;  // of each user: a token of her own
};

}  // namespace seqrec::trainer
