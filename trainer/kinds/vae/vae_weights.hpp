// The weights of a trained variational auto-encoder.
#pragma once

#include <vector>

#include "kinds/vae/vae_network.hpp"
#include "kinds/weights.hpp"

namespace seqrec::trainer {

/// Rows and queries are of unit length; nothing is kept of users but how many there are.
/// 行与查询均为单位长度；除用户数外不保留用户的任何信息。
class VaeWeights final : public Weights {
  public:
    VaeWeights(Vae network, std::int64_t users) : network_(std::move(network)), users_(users) {}
    /// Of a model or snapshot file; Error XX001 when it lacks a tensor or has one of another shape.
    /// 读取自模型或快照文件；缺失张量或形状不符则抛出 Error XX001。
    explicit VaeWeights(const SafetensorsFile& file);

    const Vae& network() const { return network_; }
    at::Tensor item_rows() const override;
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override;
    at::Tensor user_rows() const override { return at::empty({users_, 0}); }
    std::vector<NamedTensor> tensors() const override;

  private:
    Vae network_;
    std::int64_t users_;
};

}  // namespace seqrec::trainer
