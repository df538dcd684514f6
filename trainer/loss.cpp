#include "loss.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernels.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kBlockBytes = 1 << 20;  // of logits: what a second-level cache holds

const kernels::Table& k() { return kernels::table(); }

/// Positions of a block: as many as keep its logits in cache, in whole tiles of the matrix product.
std::int64_t block_rows(std::int64_t items) {
    const std::int64_t fit = kBlockBytes / static_cast<std::int64_t>(sizeof(float)) / items;
    return std::clamp<std::int64_t>(fit / 12 * 12, 24, 96);
}

struct SoftmaxLoss : torch::autograd::Function<SoftmaxLoss> {
    static Tensor forward(AutogradContext* context, const Tensor& hidden, const Tensor& items,
                          const std::vector<std::int32_t>& labels, double scale, double weight) {
        const std::int64_t tokens = hidden.size(0), dim = hidden.size(1), count = items.size(0);
        Tensor dhidden = at::empty_like(hidden), ditems = at::zeros_like(items);
        const std::int64_t most = block_rows(count);
        std::vector<float> logits(static_cast<std::size_t>(most * count));
        std::vector<float> scaled(static_cast<std::size_t>(most * dim));
        std::vector<float> factors(static_cast<std::size_t>(most));
        double total = 0;
        for (std::int64_t begin = 0; begin < tokens; begin += most) {
            const std::int64_t rows = std::min(most, tokens - begin);
            const float* h = hidden.data_ptr<float>() + begin * dim;
            float* dh = dhidden.data_ptr<float>() + begin * dim;
            k().gemm({rows, count, dim, h, dim, 1, items.data_ptr<float>(), 1, dim, logits.data(), count,
                      static_cast<float>(scale)});
            std::fill_n(scaled.begin(), rows * dim, 0.0f);
            for (std::int64_t r = 0; r < rows; ++r) {
                float* row = logits.data() + r * count;
                const float target = row[labels[begin + r]];
                const float shift = scale <= 40 ? static_cast<float>(scale) : k().maximum(row, count);
                const float sum = k().exp_sum(row, count, shift);
                total += std::log(sum) + shift - target;
                // d loss / d logit = weight * (exp / sum - [label]); the factor goes to the narrow side
                row[labels[begin + r]] -= sum;
                factors[static_cast<std::size_t>(r)] = static_cast<float>(scale * weight) / sum;
                k().axpy(h + r * dim, scaled.data() + r * dim, dim, factors[static_cast<std::size_t>(r)]);
            }
            k().gemm({rows, dim, count, logits.data(), count, 1, items.data_ptr<float>(), dim, 1, dh, dim});
            k().gemm({count, dim, rows, logits.data(), 1, count, scaled.data(), dim, 1,
                      ditems.data_ptr<float>(), dim, 1, true});
            for (std::int64_t r = 0; r < rows; ++r)
                for (std::int64_t d = 0; d < dim; ++d) dh[r * dim + d] *= factors[static_cast<std::size_t>(r)];
        }
        context->save_for_backward({dhidden, ditems});
        return at::scalar_tensor(total * weight, at::kDouble);
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const double gradient = gradients[0].item<double>();
        if (gradient != 1) {
            saved[0].mul_(gradient);
            saved[1].mul_(gradient);
        }
        return {saved[0], saved[1], Tensor(), Tensor(), Tensor()};
    }

};

}  // namespace

Tensor softmax_loss(const Tensor& hidden, const Tensor& items, const std::vector<std::int32_t>& labels,
                    double scale, double weight) {
    return SoftmaxLoss::apply(hidden, items, labels, scale, weight);
}

}  // namespace seqrec::trainer
