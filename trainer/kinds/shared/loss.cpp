#include "kinds/shared/loss.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/step_kernels.hpp"
#include "kinds/shared/plain_ops.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kBlockBytes = 4 << 20;  // of logits: what a share of the last-level cache holds
constexpr std::int64_t kItems = 96;            // items of a chunk, whose logits stay in the first-level cache
constexpr double kKnownShift = 40;  // up to this scale exp(logit - scale) can't vanish for all items

std::vector<float> floats(std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count)); }

std::int64_t whole(std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Positions of a block: as many as keep its logits in cache, in whole panels of the matrix product.
std::int64_t block_rows(std::int64_t items) {
    const std::int64_t fit = kBlockBytes / static_cast<std::int64_t>(sizeof(float)) / items;
    const std::int64_t most = k().softmax ? 6 : 4;
    return std::clamp<std::int64_t>(fit / kernels::kPackMultiple, 1, most) * kernels::kPackMultiple;
}

/// The same or somewhat fewer, so that little of the last block is empty.
std::int64_t block_rows(std::int64_t items, std::int64_t tokens) {
    const std::int64_t most = block_rows(items);
    if (!k().softmax) return most;
    std::int64_t best = most;
    for (std::int64_t rows = most; rows > most / 2; rows -= kernels::kPackMultiple)
        if (whole(tokens, rows) < whole(tokens, best)) best = rows;
    return best;
}

/// What the products of a block are made of: `items` [count, dim] against `rows` positions. Logits lie
/// transposed, [items, rows]: every product then streams the item matrix once, reads the small side from the
/// first-level cache and packs nothing.
struct Shape {
    std::int64_t count, dim, rows;
};

/// Calls body(first, n) for every chunk of items.
template <typename Body>
void for_chunks(const Shape& shape, Body body) {
    for (std::int64_t first = 0; first < shape.count; first += kItems)
        body(first, std::min(kItems, shape.count - first));
}

/// top = max(top, logits) of each position; logits(first, n) gives those of a chunk, [n, rows].
template <typename Logits>
void add_maxima(const Shape& shape, float* top, Logits logits) {
    for_chunks(shape, [&](std::int64_t first, std::int64_t n) {
        k().column_maxima(logits(first, n), top, n, shape.rows);
    });
}

/// Logits in float32, of hidden states that are packed once for all chunks.
class FloatLogits {
  public:
    FloatLogits(const float* items, Shape shape)
        : items_(items), shape_(shape), packed_(floats(shape.rows * shape.dim)) {}

    void set_hidden(const float* hidden) {
        k().pack_b({.n = shape_.rows, .k = shape_.dim, .b = hidden, .b_row = 1, .b_column = shape_.dim},
                   packed_.data());
    }
    const float* packed_hidden() const { return packed_.data(); }
    /// to [n, rows] = scale * items . hidden
    float* write(std::int64_t first, std::int64_t n, float scale, float* to) const {
        k().gemm({n, shape_.rows, shape_.dim, items_ + first * shape_.dim, shape_.dim, 1, nullptr, 0, 0, to,
                  shape_.rows, scale, false, packed_.data()});
        return to;
    }

  private:
    const float* items_;
    Shape shape_;
    std::vector<float> packed_;
};

/// What exponentials() has of each item and position, and adds to.
struct Sums {
    const float* shift;   // [rows]
    const float* weight;  // [count]; null: all 1
    float* sum;           // [rows]
    float* gradient;      // [rows, dim]
};

/// Passes over all items by the three products of a chunk of them [first, first + n): logits, exponentials with
/// their product, and the items' gradient. For CPUs with AVX-512, and all that multiplies in bfloat16.
template <typename Chunks>
class ChunkPasses {
  public:
    ChunkPasses(const float* items, Shape shape) : shape_(shape), chunks_(items, shape) {}

    /// Takes the hidden states [rows, dim] that are multiplied.
    void set_hidden(const float* hidden) { chunks_.set_hidden(hidden); }
    /// top = max(top, scale * items . hidden) of each position
    void maxima(float scale, float* top) {
        add_maxima(shape_, top,
                   [&](std::int64_t first, std::int64_t n) { return chunks_.logits(first, n, scale); });
    }
    /// exp(scale * items . hidden - shift) * weight, kept; their sums are added to `sum`, and their product with
    /// the items to `gradient`.
    void exponentials(float scale, Sums sums) {
        for_chunks(shape_, [&](std::int64_t first, std::int64_t n) {
            chunks_.logits(first, n, scale);
            chunks_.exponentials(first, n, sums.shift, sums.weight ? sums.weight + first : nullptr, sums.sum,
                                 sums.gradient);
        });
    }
    /// ditems += exponentials * scaled [rows, dim]
    void items_gradient(const float* scaled, float* ditems) {
        chunks_.set_scaled(scaled);
        for_chunks(shape_,
                   [&](std::int64_t first, std::int64_t n) { chunks_.items_gradient(first, n, ditems); });
    }

  private:
    Shape shape_;
    Chunks chunks_;
};

/// As ChunkPasses, by kernels that do a pass with its products and chunk the items by their own caches: for the CPUs whose
/// table has them (Table::softmax). Where exponentials lie is theirs to say, so neither can do the other's half.
class FusedPasses {
  public:
    FusedPasses(const float* items, Shape shape)
        : items_(items),
          shape_(shape),
          logits_(items, shape),
          exponentials_(floats(shape.count * shape.rows)),
          gradient_(floats(shape.rows * shape.dim)),
          scaled_(floats(shape.rows * whole(shape.dim, kernels::kPackMultiple))),
          result_(floats(shape.rows * shape.dim)) {}

    void set_hidden(const float* hidden) { logits_.set_hidden(hidden); }
    void maxima(float scale, float* top) {
        add_maxima(shape_, top, [&](std::int64_t first, std::int64_t n) {
            return logits_.write(first, n, scale, exponentials_.data());
        });
    }
    void exponentials(float scale, Sums sums) {
        std::fill(gradient_.begin(), gradient_.end(), 0.0f);
        k().softmax->forward(block(scale, sums));
        k().softmax->unpack(gradient_.data(), shape_.rows, shape_.dim, result_.data());
        k().axpy(result_.data(), sums.gradient, shape_.rows * shape_.dim, 1);
    }
    void items_gradient(const float* scaled, float* ditems) {
        k().pack_b({.n = shape_.dim, .k = shape_.rows, .b = scaled, .b_row = shape_.dim, .b_column = 1},
                   scaled_.data());
        k().softmax->backward(block(1, {}), scaled_.data(), ditems);
    }

  private:
    kernels::SoftmaxBlock block(float scale, Sums sums) {
        return {items_,     shape_.count, shape_.dim, shape_.rows,          logits_.packed_hidden(), scale,
                sums.shift, sums.weight,  sums.sum,   exponentials_.data(), gradient_.data()};
    }

    const float* items_;
    Shape shape_;
    FloatLogits logits_;
    std::vector<float> exponentials_, gradient_, scaled_, result_;
};

/// The products of chunks in float32.
class FloatChunks {
  public:
    FloatChunks(const float* items, Shape shape)
        : items_(items),
          shape_(shape),
          logits_(items, shape),
          exponentials_(floats(shape.count * shape.rows)) {}

    void set_hidden(const float* hidden) { logits_.set_hidden(hidden); }
    /// scale * items . hidden, [n, rows]; valid until the next call.
    const float* logits(std::int64_t first, std::int64_t n, float scale) {
        return logits_.write(first, n, scale, chunk(first));
    }
    void exponentials(std::int64_t first, std::int64_t n, const float* shift, const float* weight, float* sum,
                      float* gradient) {
        k().exp_column_sums(chunk(first), shift, weight, sum, n, shape_.rows);
        k().gemm({shape_.rows, shape_.dim, n, chunk(first), 1, shape_.rows, items_ + first * shape_.dim,
                  shape_.dim, 1, gradient, shape_.dim, 1, true});
    }
    /// Takes what items_gradient() multiplies the exponentials with.
    void set_scaled(const float* scaled) { scaled_ = scaled; }
    void items_gradient(std::int64_t first, std::int64_t n, float* ditems) {
        k().gemm({n, shape_.dim, shape_.rows, chunk(first), shape_.rows, 1, scaled_, shape_.dim, 1,
                  ditems + first * shape_.dim, shape_.dim, 1, true});
    }

  private:
    float* chunk(std::int64_t first) { return exponentials_.data() + first * shape_.rows; }

    const float* items_;
    const float* scaled_ = nullptr;
    Shape shape_;
    FloatLogits logits_;
    std::vector<float> exponentials_;
};

/// The same with every factor rounded to bfloat16; sums stay float32.
class Bfloat16Chunks {
  public:
    Bfloat16Chunks(const float* items, Shape shape)
        : shape_(shape),
          items_by_column_(floats(shape.count * half(shape.dim))),
          items_by_row_(floats(half(shape.count) * shape.dim)),
          exponentials_(floats(shape.count * shape.rows / 2)),
          logits_(floats(kItems * shape.rows)),
          chunk_(floats(half(kItems) * shape.rows)),
          pairs_(floats(shape.rows * half(shape.dim))),
          packed_(floats(shape.rows * half(shape.dim))) {
        k().bfloat16->pair_columns(items, shape.count, shape.dim, items_by_column_.data());
        k().bfloat16->pair_rows(items, shape.count, shape.dim, items_by_row_.data());
    }

    void set_hidden(const float* hidden) {
        const std::int64_t depth = half(shape_.dim);
        k().bfloat16->pair_columns(hidden, shape_.rows, shape_.dim, pairs_.data());
        k().pack_b({.n = shape_.rows, .k = depth, .b = pairs_.data(), .b_row = 1, .b_column = depth},
                   packed_.data());
    }
    const float* logits(std::int64_t first, std::int64_t n, float scale) {
        const std::int64_t depth = half(shape_.dim);
        k().bfloat16->gemm({n, shape_.rows, depth, items_by_column_.data() + first * depth, depth, 1, nullptr,
                            0, 0, logits_.data(), shape_.rows, scale, false, packed_.data()});
        return logits_.data();
    }
    void exponentials(std::int64_t first, std::int64_t n, const float* shift, const float* weight, float* sum,
                      float* gradient) {
        k().bfloat16->exp_pairs(logits_.data(), shift, weight, sum, n, shape_.rows, chunk_.data(),
                                exponentials_.data() + first * shape_.rows / 2);
        k().bfloat16->gemm({shape_.rows, shape_.dim, half(n), chunk_.data(), 1, shape_.rows,
                            items_by_row_.data() + first / 2 * shape_.dim, shape_.dim, 1, gradient,
                            shape_.dim, 1, true});
    }
    void set_scaled(const float* scaled) {
        k().bfloat16->pair_rows(scaled, shape_.rows, shape_.dim, pairs_.data());
    }
    void items_gradient(std::int64_t first, std::int64_t n, float* ditems) {
        const std::int64_t depth = half(shape_.rows);
        k().bfloat16->gemm({n, shape_.dim, depth, exponentials_.data() + first * depth, depth, 1,
                            pairs_.data(), shape_.dim, 1, ditems + first * shape_.dim, shape_.dim, 1, true});
    }

  private:
    static std::int64_t half(std::int64_t n) { return (n + 1) / 2; }
    static_assert(kItems % 2 == 0, "chunks begin at whole pairs");

    Shape shape_;
    std::vector<float> items_by_column_, items_by_row_, exponentials_, logits_, chunk_, pairs_, packed_;
};

/// The labels of some positions, and what each counts; null: all the same. Beside them soft ones.
struct Labels {
    const std::int32_t* items;
    const float* weights;
    std::int64_t each = 0;  // soft labels of a position
    const std::int32_t* others = nullptr;
    const float* shares = nullptr;

    float weight(std::int64_t r) const { return weights ? weights[r] : 1; }
    Labels from(std::int64_t begin) const {
        return {items + begin, weights ? weights + begin : nullptr, each, others + begin * each,
                shares + begin * each};
    }
    /// Calls body(item, share) for everything that is to follow position r, its label first.
    template <typename Body>
    void of(std::int64_t r, Body body) const {
        float own = 1;
        for (std::int64_t i = r * each; i < (r + 1) * each; ++i) own -= shares[i];
        body(items[r], own);
        for (std::int64_t i = r * each; i < (r + 1) * each; ++i)
            if (shares[i] > 0) body(others[i], shares[i]);
    }
};

/// One block of positions against all items.
template <typename Passes>
class ItemBlock {
  public:
    ItemBlock(const Tensor& items, const std::vector<float>& weights, std::int64_t rows, double scale)
        : items_(items.data_ptr<float>()),
          weights_(weights.empty() ? nullptr : weights.data()),
          shape_{items.size(0), items.size(1), rows},
          scale_(static_cast<float>(scale)),
          passes_(items_, shape_),
          hidden_(floats(rows * shape_.dim)),
          gradient_(floats(rows * shape_.dim)),
          shift_(floats(rows)),
          sum_(floats(rows)),
          excess_(floats(rows)) {}

    /// Adds the block's gradients to `ditems`, writes those of its hidden states, returns its loss.
    double run(const float* hidden, Labels labels, std::int64_t rows, double factor, float* dhidden,
               float* ditems) {
        std::fill(hidden_.begin(), hidden_.end(), 0.0f);
        std::copy_n(hidden, rows * shape_.dim, hidden_.begin());
        passes_.set_hidden(hidden_.data());
        find_shift();
        const double loss = forward(labels, rows);
        backward(labels, rows, factor, dhidden, ditems);
        return loss;
    }

  private:
    void find_shift() {
        std::fill(shift_.begin(), shift_.end(), scale_ > kKnownShift ? -3e38f : scale_);
        if (scale_ > kKnownShift) passes_.maxima(scale_, shift_.data());
    }

    /// Exponentials and their sums; dhidden's part that needs no sum is gathered on the way.
    double forward(Labels labels, std::int64_t rows) {
        std::fill(gradient_.begin(), gradient_.end(), 0.0f);
        std::fill(sum_.begin(), sum_.end(), 0.0f);
        passes_.exponentials(scale_, {shift_.data(), weights_, sum_.data(), gradient_.data()});
        double loss = 0;
        for (std::int64_t r = 0; r < rows; ++r) loss += labels.weight(r) * finish_row(labels, r);
        return loss;
    }

    float logit(std::int32_t item, std::int64_t r) const {
        return scale_ * k().dot(hidden_.data() + r * shape_.dim, items_ + item * shape_.dim, shape_.dim);
    }

    /// Adds what only the label has to the row's sum: in a sample it counts 1, not its weight, since it is in every sample. Then
    /// to its gradient what is to follow. Returns the row's loss.
    double finish_row(const Labels& labels, std::int64_t r) {
        const std::int32_t label = labels.items[r];
        const float excess = weights_ ? std::exp(logit(label, r) - shift_[r]) * (weights_[label] - 1) : 0;
        sum_[r] -= excess;
        excess_[r] = excess;
        float* gradient = gradient_.data() + r * shape_.dim;
        k().axpy(items_ + label * shape_.dim, gradient, shape_.dim, -excess);
        double wanted = 0;
        labels.of(r, [&](std::int32_t item, float share) {
            wanted += share * logit(item, r);
            k().axpy(items_ + item * shape_.dim, gradient, shape_.dim, -sum_[r] * share);
        });
        return std::log(sum_[r]) + shift_[r] - wanted;
    }

    /// d loss / d logit = scale factor (exp / sum - [what is to follow]); what a row has in common goes to the narrow
    /// side of each product.
    void backward(Labels labels, std::int64_t rows, double factor, float* dhidden, float* ditems) {
        const std::int64_t dim = shape_.dim;
        for (std::int64_t r = 0; r < rows; ++r) {
            const float common = labels.weight(r) * (scale_ * static_cast<float>(factor) / sum_[r]);
            float* h = hidden_.data() + r * dim;
            for (std::int64_t d = 0; d < dim; ++d) {
                h[d] *= common;
                dhidden[r * dim + d] = common * gradient_[r * dim + d];
            }
            k().axpy(h, ditems + labels.items[r] * dim, dim, -excess_[r]);
            labels.of(r, [&](std::int32_t item, float share) {
                k().axpy(h, ditems + item * dim, dim, -sum_[r] * share);
            });
        }
        passes_.items_gradient(hidden_.data(), ditems);
    }

    const float* items_;
    const float* weights_;  // of the items in the sum; null: all 1
    Shape shape_;
    float scale_;
    Passes passes_;
    std::vector<float> hidden_, gradient_, shift_, sum_, excess_;
};

struct SoftmaxLoss : torch::autograd::Function<SoftmaxLoss> {
    static Tensor forward(AutogradContext* context, const Tensor& hidden, const Tensor& items,
                          const std::vector<std::int32_t>& labels, const std::vector<float>& weights,
                          double scale, double factor, bool bfloat16, const std::vector<float>& counts,
                          const SoftLabels& soft) {
        Tensor dhidden = at::empty_like(hidden), ditems = at::zeros_like(items);
        const auto run = bfloat16      ? run_blocks<ChunkPasses<Bfloat16Chunks>>
                         : k().softmax ? run_blocks<FusedPasses>
                                       : run_blocks<ChunkPasses<FloatChunks>>;
        const Labels all{labels.data(), counts.empty() ? nullptr : counts.data(), soft.each,
                         soft.items.data(), soft.shares.data()};
        const double total = run(hidden, items, all, weights, scale, factor, dhidden, ditems);
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
        return {saved[0], saved[1], Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
    }

  private:
    template <typename Passes>
    static double run_blocks(const Tensor& hidden, const Tensor& items, Labels labels,
                             const std::vector<float>& weights, double scale, double factor,
                             const Tensor& dhidden, const Tensor& ditems) {
        const std::int64_t tokens = hidden.size(0), dim = hidden.size(1);
        const std::int64_t most = block_rows(items.size(0), tokens);
        ItemBlock<Passes> block(items, weights, most, scale);
        double total = 0;
        for (std::int64_t begin = 0; begin < tokens; begin += most)
            total += block.run(hidden.data_ptr<float>() + begin * dim, labels.from(begin),
                               std::min(most, tokens - begin), factor,
                               dhidden.data_ptr<float>() + begin * dim, ditems.data_ptr<float>());
        return total;
    }
};

}  // namespace

Tensor softmax_loss(const Tensor& hidden, const Tensor& items, const std::vector<std::int32_t>& labels,
                    const std::vector<float>& weights, double scale, double factor, bool bfloat16,
                    const std::vector<float>& counts, const SoftLabels& soft) {
    if (!hidden.is_cpu())
        return plain::softmax_loss(hidden, items, labels, weights, scale, factor, counts, soft);
    return SoftmaxLoss::apply(hidden, items, labels, weights, scale, factor, bfloat16, counts, soft);
}

}  // namespace seqrec::trainer
