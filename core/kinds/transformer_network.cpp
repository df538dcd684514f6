#include "core/kinds/transformer_network.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "core/scan/dot_product.hpp"

namespace seqrec {
namespace {

std::ptrdiff_t row_of(std::ptrdiff_t columns) { return (columns + kRowStep - 1) / kRowStep * kRowStep; }

/// The sum of the rows of a [rows, columns] matrix, each times its factor.
std::vector<float> weighted_rows(std::span<const float> factors, const float* matrix, std::size_t columns) {
    std::vector<float> sum(columns);
    for (const float factor : factors)
        for (std::size_t j = 0; j < columns; ++j) sum[j] += factor * *matrix++;
    return sum;
}

/// Folding costs dim^3 when a connection begins; beyond this it is no bargain.
constexpr std::ptrdiff_t kLargestFold = 128;

bool folds(std::ptrdiff_t dim, std::ptrdiff_t heads) {
    return heads == 1 && dim <= kLargestFold && dim % kRowStep == 0;
}

/// Scores as exponents of two: the softmax takes one multiplication less.
float score_scale(std::ptrdiff_t width) { return 1.44269504f / std::sqrt(static_cast<float>(width)); }

BlockWeights read_block(const TensorSource& tensors, const std::string& at, const NetworkSizes& sizes) {
    const std::int64_t dim = sizes.dim;
    const auto row = [&](const char* name, std::int64_t size) { return tensors(at + name, {size}); };
    const auto matrix = [&](const char* name, std::int64_t rows, std::int64_t columns) {
        return tensors(at + name, {rows, columns});
    };
    return {.norm1_weight = row("norm1.weight", dim),
            .norm1_bias = row("norm1.bias", dim),
            .qkv_weight = matrix("qkv.weight", 3 * dim, dim),
            .qkv_bias = row("qkv.bias", 3 * dim),
            .relative = matrix("relative", sizes.heads, sizes.max_len),
            .out_weight = matrix("out.weight", dim, dim),
            .out_bias = row("out.bias", dim),
            .norm2_weight = row("norm2.weight", dim),
            .norm2_bias = row("norm2.bias", dim),
            .wide_weight = matrix("wide.weight", 4 * dim, dim),
            .wide_bias = row("wide.bias", 4 * dim),
            .narrow_weight = matrix("narrow.weight", dim, 4 * dim),
            .narrow_bias = row("narrow.bias", dim)};
}

}  // namespace

NetworkWeights read_network(const TensorSource& tensors, const std::string& at, const NetworkSizes& sizes,
                            std::int64_t layers) {
    NetworkWeights weights;
    for (std::int64_t i = 0; i < layers; ++i)
        weights.blocks.push_back(read_block(tensors, at + "block." + std::to_string(i) + ".", sizes));
    weights.norm_weight = tensors(at + "norm.weight", {sizes.dim});
    weights.norm_bias = tensors(at + "norm.bias", {sizes.dim});
    return weights;
}

Workspace::Workspace(const EncoderKernels& kernels, const NetworkSizes& sizes, std::size_t positions)
    : length(static_cast<std::ptrdiff_t>(positions)),
      row(row_of(sizes.dim)),
      wide_row(row_of(4 * sizes.dim)) {
    const std::ptrdiff_t values = length * row * kernels.value_size;
    const std::ptrdiff_t both =
        folds(sizes.dim, sizes.heads) ? 0 : length * row_of(2 * sizes.dim) * kernels.value_size;
    std::byte* stream = nullptr;
    const std::pair<std::byte**, std::ptrdiff_t> parts[] = {
        {&stream, length * row * static_cast<std::ptrdiff_t>(sizeof(float))},
        {&normed, values},
        {&query, values},
        {&key_value, both},
        {&attended, values},
        {&wide, length * wide_row * kernels.value_size},
        {&attention, kernels.attention_scratch(length, sizes.dim / sizes.heads)},
        {&product, kernels.product_scratch(length, 4 * sizes.dim)}};
    std::ptrdiff_t bytes = 0;
    for (const auto& part : parts) bytes += part.second;
    memory_ = AlignedMemory(static_cast<std::size_t>(bytes));
    std::byte* at = memory_.data();
    for (const auto& [part, size] : parts) *part = std::exchange(at, at + size);
    x = reinterpret_cast<float*>(stream);
    // Heads write their own columns only; a pair of bfloat16 may reach one beyond the last.
    if (sizes.dim < row) std::fill_n(attended, values, std::byte{});
}

/// Puts one network's weights where they belong, in the order in which a block reads them.
struct Network::Packer {
    const EncoderKernels& kernels;
    std::ptrdiff_t dim, heads, max_len;
    PackedWeights& packed;

    /// The values times `scale`, zeros up to a whole row.
    const float* padded(std::span<const float> values, float scale = 1) const {
        const std::ptrdiff_t row = row_of(static_cast<std::ptrdiff_t>(values.size()));
        float* copy = packed.take_floats(row);
        if (!packed.fills()) return copy;
        float* end = std::transform(values.begin(), values.end(), copy, [&](float x) { return x * scale; });
        std::fill(end, copy + row, 0.0f);
        return copy;
    }

    Norm norm(std::span<const float> weight, std::span<const float> bias) const {
        return {padded(weight), padded(bias)};
    }

    Linear linear(std::span<const float> weight, std::span<const float> bias, float scale = 1) const {
        const auto out = static_cast<std::ptrdiff_t>(bias.size());
        const std::ptrdiff_t in = static_cast<std::ptrdiff_t>(weight.size()) / out;
        std::byte* copy = packed.take(static_cast<std::size_t>(kernels.packed_size(out, in)));
        if (packed.fills()) kernels.pack(weight.data(), out, in, scale, copy);
        return {in, out, copy, padded(bias, scale)};
    }

    Block block(const BlockWeights& weights) const {
        Block block{};
        block.norm1 = norm(weights.norm1_weight, weights.norm1_bias);
        block.norm2 = norm(weights.norm2_weight, weights.norm2_bias);
        if (folds(dim, heads))
            fold_attention(weights, block);
        else
            join_attention(weights, block);
        block.wide = linear(weights.wide_weight, weights.wide_bias);
        block.narrow = linear(weights.narrow_weight, weights.narrow_bias);
        block.distances = distances(weights.relative);
        return block;
    }

    /// The attention as it is written down.
    void join_attention(const BlockWeights& weights, Block& block) const {
        const auto width = static_cast<std::size_t>(dim);
        block.query = linear(weights.qkv_weight.first(width * width), weights.qkv_bias.first(width),
                             score_scale(dim / heads));
        block.key_value =
            linear(weights.qkv_weight.last(2 * width * width), weights.qkv_bias.last(2 * width));
        block.out = linear(weights.out_weight, weights.out_bias);
    }

    /// The attention of a single head with half the products of a position. A key k = K y + b meets a query q
    /// only as q k = (K^T q) y + q b, and what is the same for all keys, q b, changes no softmax; weights
    /// that add up to 1 may average the y instead of the values v = V y + c: out(v) = (O V) y + O c + bias.
    /// So the query becomes K^T Q, the output O V, and keys and values are the normed positions themselves.
    void fold_attention(const BlockWeights& weights, Block& block) const {
        const Folded query = packed.fills() ? folded_query(weights) : Folded(dim);
        block.query = linear(query.weight(), query.bias, score_scale(dim));
        const Folded out = packed.fills() ? folded_out(weights) : Folded(dim);
        block.out = linear(out.weight(), out.bias);
    }

    struct Folded {
        AlignedMemory product;
        std::vector<float> bias;

        explicit Folded(std::ptrdiff_t dim)
            : product(static_cast<std::size_t>(dim * dim) * sizeof(float)),
              bias(static_cast<std::size_t>(dim)) {}
        std::span<const float> weight() const { return {product.floats(), bias.size() * bias.size()}; }
    };

    Folded folded_query(const BlockWeights& weights) const {
        const auto width = static_cast<std::size_t>(dim);
        const float *query = weights.qkv_weight.data(), *key = query + width * width;
        Folded folded(dim);
        kernels.square_product(key, 1, dim, query, dim, folded.product.floats());
        folded.bias = weighted_rows(weights.qkv_bias.first(width), key, width);
        return folded;
    }

    Folded folded_out(const BlockWeights& weights) const {
        const auto width = static_cast<std::size_t>(dim);
        const float *out = weights.out_weight.data(), *value = weights.qkv_weight.last(width * width).data();
        Folded folded(dim);
        kernels.square_product(out, dim, 1, value, dim, folded.product.floats());
        dot_products(out, width, width, weights.qkv_bias.last(width).data(), folded.bias.data());
        std::transform(folded.bias.begin(), folded.bias.end(), weights.out_bias.begin(), folded.bias.begin(),
                       std::plus());
        return folded;
    }

    /// Biases of distances from the farthest to 0, so that those of a query's keys lie in the keys' order.
    const float* distances(std::span<const float> relative) const {
        const std::ptrdiff_t row = max_len + kDistancePadding;
        float* copy = packed.take_floats(heads * row);
        if (!packed.fills()) return copy;
        std::fill_n(copy, heads * row, 0.0f);
        for (std::ptrdiff_t h = 0; h < heads; ++h)
            for (std::ptrdiff_t d = 0; d < max_len; ++d)
                copy[h * row + max_len - 1 - d] =
                    relative[static_cast<std::size_t>(h * max_len + d)] * 1.44269504f;
        return copy;
    }
};

Network::Network(const EncoderKernels& kernels, const NetworkSizes& sizes, const NetworkWeights& weights,
                 PackedWeights& packed)
    : kernels_(&kernels),
      dim_(sizes.dim),
      heads_(sizes.heads),
      max_len_(sizes.max_len),
      distance_row_(max_len_ + kDistancePadding) {
    const Packer packer{kernels, sizes.dim, sizes.heads, sizes.max_len, packed};
    for (const BlockWeights& block : weights.blocks) blocks_.push_back(packer.block(block));
    norm_ = packer.norm(weights.norm_weight, weights.norm_bias);
}

Product Network::product(const Linear& linear, const Workspace& at, const void* x, std::ptrdiff_t x_row,
                         std::ptrdiff_t rows, void* y, std::ptrdiff_t y_row) {
    return {x, x_row, rows, linear.in, linear.weight, linear.bias, linear.out, y, y_row, at.product};
}

void Network::run(const Workspace& at, std::span<float> out) const {
    for (const Block& block : blocks_) run_block(block, at, &block == &blocks_.back() ? 1 : at.length);
    finish(at, at.length - 1, out);
}

void Network::run_all(const Workspace& at, std::span<float> out) const {
    for (const Block& block : blocks_) run_block(block, at, at.length);
    const auto width = static_cast<std::size_t>(dim_);
    for (std::ptrdiff_t i = 0; i < at.length; ++i)
        finish(at, i, out.subspan(static_cast<std::size_t>(i) * width, width));
}

/// The last norm of one position.
void Network::finish(const Workspace& at, std::ptrdiff_t position, std::span<float> out) const {
    auto* result = reinterpret_cast<float*>(at.wide);  // whole panels of it are written: more than `out` has
    kernels_->norm_float(
        {at.x + position * at.row, at.row, 1, dim_, norm_.weight, norm_.bias, result, at.row});
    std::copy_n(result, out.size(), out.data());
}

/// Adds what the block computes to the last `queries` positions of the residual stream; of the last block no
/// other position is ever read.
void Network::run_block(const Block& block, const Workspace& at, std::ptrdiff_t queries) const {
    float* x = at.x + (at.length - queries) * at.row;
    kernels_->norm({at.x, at.row, at.length, dim_, block.norm1.weight, block.norm1.bias, at.normed, at.row});
    attend(block, at, queries);
    kernels_->product_add(product(block.out, at, at.attended, at.row, queries, x, at.row));
    kernels_->norm({x, at.row, queries, dim_, block.norm2.weight, block.norm2.bias, at.normed, at.row});
    kernels_->product_gelu(product(block.wide, at, at.normed, at.row, queries, at.wide, at.wide_row));
    kernels_->product_add(product(block.narrow, at, at.wide, at.wide_row, queries, x, at.row));
}

void Network::attend(const Block& block, const Workspace& at, std::ptrdiff_t queries) const {
    const std::byte* last = at.normed + (at.length - queries) * at.row * kernels_->value_size;
    kernels_->product(product(block.query, at, last, at.row, queries, at.query, at.row));
    const std::byte *keys = at.normed, *values = at.normed;
    std::ptrdiff_t key_row = at.row;
    if (block.key_value.out > 0) {
        key_row = row_of(block.key_value.out);
        keys = at.key_value;
        values = keys + dim_ * kernels_->value_size;
        kernels_->product(product(block.key_value, at, at.normed, at.row, at.length, at.key_value, key_row));
    }
    kernels_->attention({at.query, at.row, keys, values, key_row, queries, at.length, heads_, dim_ / heads_,
                         block.distances + max_len_ - 1, distance_row_, at.attended, at.row, at.attention});
}

}  // namespace seqrec
