// Whether the latent variables tell anything: a posterior that has collapsed onto the prior tells nothing.
#pragma once

#include "data/dataset.hpp"
#include "kinds/vae/vae_network.hpp"

namespace seqrec::trainer {

/// The mean divergence of each latent variable over the histories of some users, in nats, float64 [latent].
/// 各隐变量在部分用户历史上的平均 KL 散度（奈特）。
at::Tensor mean_divergence(const Vae& network, const Dataset& data);

/// How many of them tell more than a hundredth of a nat.
/// 其中超过百分之一奈特的个数。
std::int64_t active_units(const at::Tensor& divergence);

}  // namespace seqrec::trainer
