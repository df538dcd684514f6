// Kind `vae`: a causal Transformer makes a state of every click, each state the mean and variance of latent variables;
// the decoder makes a query of those of a position and of what it attends to.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kinds/shared/ops.hpp"
#include "kinds/transformer/network.hpp"
#include "kinds/vae/vae_settings.hpp"

namespace seqrec::trainer {

/// The latent variables of every position, [T, latent]: normal, independent given the clicks.
/// 每个位置的隐变量 [T, latent]：给定点击后为独立的正态分布。
struct Posterior {
    at::Tensor mean, log_variance;

    /// KL(q || N(0, 1)) of every variable of every position, in nats, [T, latent].
    /// 每个位置每个变量的 KL 散度（奈特）。
    at::Tensor divergence() const;
    /// A draw by the reparameterisation mean + deviation * noise.
    /// 以重参数化抽样。
    at::Tensor sample(Random& random) const;
};

/// The weights. Copies share the tensors.
/// 权重；复制对象共享张量。
struct Vae {
    Transformer encoder;  ///< its items' rows are the candidates, too
    at::Tensor mean_weight, mean_bias, variance_weight, variance_bias;
    at::Tensor query_weight, query_bias, key_weight, score;  ///< undefined without attention
    at::Tensor wide_weight, wide_bias, narrow_weight, skip_weight, bias;

    Vae() = default;
    /// Fresh weights: deviations of the latent variables begin at about an eighth, so that there is something to lose.
    Vae(const VaeSettings& settings, std::int64_t items, Random& random);
    /// Shapes of `layers` blocks; the tensors are undefined but for those that tell which there are.
    static Vae of_shape(std::int64_t layers, bool attention);

    using Visit = std::function<void(const std::string& name, at::Tensor& tensor)>;
    /// Every tensor under the name that the model file gives it, in a fixed order; the item matrix is the first.
    void for_each(const Visit& visit);
    std::vector<at::Tensor> tensors();
    bool attends() const { return score.defined(); }
    std::int64_t dim() const { return encoder.item.size(1); }
    std::int64_t latent() const { return mean_bias.size(0); }

    /// The posterior of every position from the encoder's states, [T, dim].
    Posterior posterior(const at::Tensor& states, bool bfloat16) const;
    /// The queries of all positions, [T, dim], their lengths as they come.
    at::Tensor decode(const at::Tensor& states, const at::Tensor& latent, const Batch& batch,
                      Pass pass) const;
    /// The queries of the last position of each sequence, from the posterior's means; zeros where a sequence is empty.
    at::Tensor answer(const Batch& batch) const;

  private:
    at::Tensor decoded(const at::Tensor& input, Pass pass) const;
};

}  // namespace seqrec::trainer
