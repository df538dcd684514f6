// The operations of ops.hpp and the loss in libtorch's own terms: for devices that the kernels do not run on,
// and what the kernels are tested against.
#pragma once

#include "kinds/shared/batches.hpp"
#include "kinds/shared/gather.hpp"
#include "kinds/shared/soft_labels.hpp"
#include "torch.hpp"

namespace seqrec::trainer::plain {

at::Tensor embed(const at::Tensor& items, const at::Tensor& positions, const Batch& batch, float scale,
                 float dropout);
at::Tensor product(const at::Tensor& x, const at::Tensor& weight);
at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, float dropout);
at::Tensor join(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& residual, float dropout);
at::Tensor attention(const at::Tensor& qkv, const at::Tensor& bias, const at::Tensor& relative,
                     const Batch& batch, float dropout);
at::Tensor add_rows(const at::Tensor& hidden, const at::Tensor& rows, const Batch& batch,
                    const std::vector<std::int32_t>& row_of_sequence);
at::Tensor unit_rows(const at::Tensor& x);
at::Tensor softmax_loss(const at::Tensor& hidden, const at::Tensor& items,
                        const std::vector<std::int32_t>& labels, const std::vector<float>& weights,
                        double scale, double factor, const std::vector<float>& counts = {},
                        const SoftLabels& soft = {});
/// As gather.hpp, of one table and without dropout.
/// 同 gather.hpp，仅一张表且无 dropout。
at::Tensor gather(const at::Tensor& table, const Terms& terms);

}  // namespace seqrec::trainer::plain
