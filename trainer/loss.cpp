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

constexpr std::int64_t kBlockBytes = 4 << 20;  // of logits: what a share of the last-level cache holds
constexpr std::int64_t kItems = 60;            // items of a chunk, whose logits stay in the first-level cache
constexpr double kKnownShift = 40;  // up to this scale exp(logit - scale) can't vanish for all items

const kernels::Table& k() { return kernels::table(); }

/// Positions of a block: as many as keep its logits in cache, in whole panels of the matrix product.
std::int64_t block_rows(std::int64_t items) {
    const std::int64_t fit = kBlockBytes / static_cast<std::int64_t>(sizeof(float)) / items;
    return std::clamp<std::int64_t>(fit / kernels::kPackMultiple, 1, 3) * kernels::kPackMultiple;
}

/// One block of positions against all items. Logits lie transposed, [items, rows]: every product then streams
/// the item matrix once, reads the small side from the first-level cache and packs nothing.
class Block {
  public:
    Block(const Tensor& items, const std::vector<float>& weights, std::int64_t rows, double scale)
        : items_(items.data_ptr<float>()),
          weights_(weights.empty() ? nullptr : weights.data()),
          count_(items.size(0)),
          dim_(items.size(1)),
          most_(rows),
          scale_(static_cast<float>(scale)),
          logits_(static_cast<std::size_t>(count_ * rows)),
          hidden_(static_cast<std::size_t>(rows * dim_)),
          packed_(static_cast<std::size_t>(rows * dim_)),
          shift_(static_cast<std::size_t>(rows)),
          sum_(static_cast<std::size_t>(rows)) {}

    /// Adds the block's gradients to `ditems`, writes those of its hidden states, returns its loss.
    double run(const float* hidden, const std::int32_t* labels, std::int64_t rows, double factor,
               float* dhidden, float* ditems) {
        std::fill(hidden_.begin(), hidden_.end(), 0.0f);
        std::copy_n(hidden, rows * dim_, hidden_.begin());
        k().pack_b({.n = most_, .k = dim_, .b = hidden_.data(), .b_row = 1, .b_column = dim_},
                   packed_.data());
        std::fill(sum_.begin(), sum_.end(), 0.0f);
        if (scale_ > kKnownShift)
            find_shift();
        else
            std::fill(shift_.begin(), shift_.end(), scale_);
        const double loss = forward(labels, rows);
        backward(labels, rows, factor, dhidden, ditems);
        return loss;
    }

  private:
    void chunk_logits(std::int64_t first, std::int64_t items) {
        k().gemm({items, most_, dim_, items_ + first * dim_, dim_, 1, nullptr, 0, 0,
                  logits_.data() + first * most_, most_, scale_, false, packed_.data()});
    }

    void find_shift() {
        std::fill(shift_.begin(), shift_.end(), -3e38f);
        for (std::int64_t first = 0; first < count_; first += kItems) {
            const std::int64_t items = std::min(kItems, count_ - first);
            chunk_logits(first, items);
            k().column_maxima(logits_.data() + first * most_, shift_.data(), items, most_);
        }
    }

    /// Logits, exponentials and their sums; dhidden's part that needs no sum is gathered on the way.
    double forward(const std::int32_t* labels, std::int64_t rows) {
        gradient_.assign(static_cast<std::size_t>(most_ * dim_), 0.0f);
        for (std::int64_t first = 0; first < count_; first += kItems) {
            const std::int64_t items = std::min(kItems, count_ - first);
            float* chunk = logits_.data() + first * most_;
            chunk_logits(first, items);
            k().exp_column_sums(chunk, shift_.data(), weights_ ? weights_ + first : nullptr, sum_.data(),
                                items, most_);
            k().gemm({most_, dim_, items, chunk, 1, most_, items_ + first * dim_, dim_, 1, gradient_.data(),
                      dim_, 1, true});
        }
        if (weights_) count_labels_once(labels, rows);
        double loss = 0;
        for (std::int64_t r = 0; r < rows; ++r)
            loss += std::log(sum_[r]) + shift_[r] -
                    scale_ * k().dot(hidden_.data() + r * dim_, items_ + labels[r] * dim_, dim_);
        return loss;
    }

    /// The label is in every sample, so its weight in the sum is 1 and not that of its item.
    void count_labels_once(const std::int32_t* labels, std::int64_t rows) {
        for (std::int64_t r = 0; r < rows; ++r) {
            float& weighted = logits_[labels[r] * most_ + r];
            const float excess = weighted - weighted / weights_[labels[r]];
            weighted -= excess;
            sum_[r] -= excess;
            k().axpy(items_ + labels[r] * dim_, gradient_.data() + r * dim_, dim_, -excess);
        }
    }

    /// d loss / d logit = scale factor (exp / sum - [label]); what a row has in common goes to the narrow
    /// side of each product.
    void backward(const std::int32_t* labels, std::int64_t rows, double factor, float* dhidden,
                  float* ditems) {
        for (std::int64_t r = 0; r < most_; ++r) {
            float* h = hidden_.data() + r * dim_;
            const float common = r < rows ? scale_ * static_cast<float>(factor) / sum_[r] : 0;
            for (std::int64_t d = 0; d < dim_; ++d) h[d] *= common;
            if (r >= rows) continue;
            logits_[labels[r] * most_ + r] -= sum_[r];
            float* out = dhidden + r * dim_;
            const float *gradient = gradient_.data() + r * dim_, *label = items_ + labels[r] * dim_;
            for (std::int64_t d = 0; d < dim_; ++d) out[d] = common * (gradient[d] - sum_[r] * label[d]);
        }
        for (std::int64_t first = 0; first < count_; first += kItems)
            k().gemm({std::min(kItems, count_ - first), dim_, most_, logits_.data() + first * most_, most_, 1,
                      hidden_.data(), dim_, 1, ditems + first * dim_, dim_, 1, true});
    }

    const float* items_;
    const float* weights_;  // of the items in the sum; null: all 1
    std::int64_t count_, dim_, most_;
    float scale_;
    std::vector<float> logits_, hidden_, packed_, gradient_, shift_, sum_;
};

struct SoftmaxLoss : torch::autograd::Function<SoftmaxLoss> {
    static Tensor forward(AutogradContext* context, const Tensor& hidden, const Tensor& items,
                          const std::vector<std::int32_t>& labels, const std::vector<float>& weights,
                          double scale, double factor) {
        const std::int64_t tokens = hidden.size(0), dim = hidden.size(1);
        const std::int64_t most = block_rows(items.size(0));
        Tensor dhidden = at::empty_like(hidden), ditems = at::zeros_like(items);
        Block block(items, weights, most, scale);
        double total = 0;
        for (std::int64_t begin = 0; begin < tokens; begin += most)
            total += block.run(hidden.data_ptr<float>() + begin * dim, labels.data() + begin,
                               std::min(most, tokens - begin), factor,
                               dhidden.data_ptr<float>() + begin * dim, ditems.data_ptr<float>());
        context->save_for_backward({dhidden, ditems});
        return at::scalar_tensor(total * factor, at::kDouble);
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const double gradient = gradients[0].item<double>();
        if (gradient != 1) {
            saved[0].mul_(gradient);
            saved[1].mul_(gradient);
        }
        return {saved[0], saved[1], Tensor(), Tensor(), Tensor(), Tensor()};
    }
};

}  // namespace

Tensor softmax_loss(const Tensor& hidden, const Tensor& items, const std::vector<std::int32_t>& labels,
                    const std::vector<float>& weights, double scale, double factor) {
    return SoftmaxLoss::apply(hidden, items, labels, weights, scale, factor);
}

}  // namespace seqrec::trainer
