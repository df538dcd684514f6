#include "core/encoder_network.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "core/dot_product.hpp"

namespace seqrec {
namespace {

std::ptrdiff_t row_of(std::ptrdiff_t columns) { return (columns + kRowStep - 1) / kRowStep * kRowStep; }

AlignedMemory floats(std::ptrdiff_t count) {
    return AlignedMemory(static_cast<std::size_t>(count) * sizeof(float));
}

/// The values times `scale`, zeros up to a whole row.
AlignedMemory padded(std::span<const float> values, float scale = 1) {
    const auto size = static_cast<std::ptrdiff_t>(values.size());
    AlignedMemory copy = floats(row_of(size));
    float* end = std::transform(values.begin(), values.end(), copy.floats(),
                                [&](float value) { return value * scale; });
    std::fill(end, copy.floats() + row_of(size), 0.0f);
    return copy;
}

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

}  // namespace

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
        {&attention, kernels.attention_scratch(length, sizes.dim / sizes.heads)}};
    std::ptrdiff_t bytes = 0;
    for (const auto& part : parts) bytes += part.second;
    memory_ = AlignedMemory(static_cast<std::size_t>(bytes));
    std::byte* at = memory_.data();
    for (const auto& [part, size] : parts) *part = std::exchange(at, at + size);
    x = reinterpret_cast<float*>(stream);
    // Heads write their own columns only; a pair of bfloat16 may reach one beyond the last.
    if (sizes.dim < row) std::fill_n(attended, values, std::byte{});
}

Network::Network(const EncoderKernels& kernels, const NetworkSizes& sizes, const NetworkWeights& weights)
    : kernels_(&kernels),
      dim_(sizes.dim),
      heads_(sizes.heads),
      max_len_(sizes.max_len),
      distance_row_(max_len_ + kDistancePadding) {
    for (const BlockWeights& block : weights.blocks) blocks_.push_back(block_of(block));
    norm_ = norm_of(weights.norm_weight, weights.norm_bias);
}

Network::Norm Network::norm_of(std::span<const float> weight, std::span<const float> bias) const {
    return {padded(weight), padded(bias)};
}

Network::Linear Network::linear_of(std::span<const float> weight, std::span<const float> bias,
                                   float scale) const {
    const auto out = static_cast<std::ptrdiff_t>(bias.size());
    const std::ptrdiff_t in = static_cast<std::ptrdiff_t>(weight.size()) / out;
    AlignedMemory packed(static_cast<std::size_t>(kernels_->packed_size(out, in)));
    kernels_->pack(weight.data(), out, in, scale, packed.data());
    return {in, out, std::move(packed), padded(bias, scale)};
}

Network::Block Network::block_of(const BlockWeights& weights) const {
    Block block;
    block.norm1 = norm_of(weights.norm1_weight, weights.norm1_bias);
    block.norm2 = norm_of(weights.norm2_weight, weights.norm2_bias);
    if (folds(dim_, heads_))
        fold_attention(weights, block);
    else
        join_attention(weights, block);
    block.wide = linear_of(weights.wide_weight, weights.wide_bias);
    block.narrow = linear_of(weights.narrow_weight, weights.narrow_bias);
    block.distances = distances_of(weights.relative);
    return block;
}

/// The attention as it is written down.
void Network::join_attention(const BlockWeights& weights, Block& block) const {
    const auto dim = static_cast<std::size_t>(dim_);
    block.query = linear_of(weights.qkv_weight.first(dim * dim), weights.qkv_bias.first(dim),
                            score_scale(dim_ / heads_));
    block.key_value = linear_of(weights.qkv_weight.last(2 * dim * dim), weights.qkv_bias.last(2 * dim));
    block.out = linear_of(weights.out_weight, weights.out_bias);
}

/// The attention of a single head with half the products of a position. A key k = K y + b meets a query q
/// only as q k = (K^T q) y + q b, and what is the same for all keys, q b, changes no softmax; weights that
/// add up to 1 may average the y instead of the values v = V y + c: out(v) = (O V) y + O c + bias. So the
/// query becomes K^T Q, the output O V, and keys and values are the normed positions themselves.
void Network::fold_attention(const BlockWeights& weights, Block& block) const {
    const auto dim = static_cast<std::size_t>(dim_);
    const float* query = weights.qkv_weight.data();
    const float *key = query + dim * dim, *value = key + dim * dim;
    const AlignedMemory product = floats(dim_ * dim_);
    const std::span<const float> folded(product.floats(), dim * dim);
    kernels_->square_product(key, 1, dim_, query, dim_, product.floats());
    block.query = linear_of(folded, weighted_rows(weights.qkv_bias.first(dim), key, dim), score_scale(dim_));
    kernels_->square_product(weights.out_weight.data(), dim_, 1, value, dim_, product.floats());
    std::vector<float> bias(dim);
    dot_products(weights.out_weight.data(), dim, dim, weights.qkv_bias.last(dim).data(), bias.data());
    std::transform(bias.begin(), bias.end(), weights.out_bias.begin(), bias.begin(), std::plus());
    block.out = linear_of(folded, bias);
}

/// Biases of distances from the farthest to 0, so that those of a query's keys lie in the keys' order.
AlignedMemory Network::distances_of(std::span<const float> relative) const {
    AlignedMemory distances = floats(heads_ * distance_row_);
    std::fill_n(distances.floats(), heads_ * distance_row_, 0.0f);
    for (std::ptrdiff_t h = 0; h < heads_; ++h)
        for (std::ptrdiff_t d = 0; d < max_len_; ++d)
            distances.floats()[h * distance_row_ + max_len_ - 1 - d] =
                relative[static_cast<std::size_t>(h * max_len_ + d)] * 1.44269504f;
    return distances;
}

Product Network::product(const Linear& linear, const void* x, std::ptrdiff_t x_row, std::ptrdiff_t rows,
                         void* y, std::ptrdiff_t y_row) {
    return {x, x_row, rows, linear.in, linear.weight.data(), linear.bias.floats(), linear.out, y, y_row};
}

void Network::run(const Workspace& at, std::span<float> out) const {
    for (const Block& block : blocks_) run_block(block, at, &block == &blocks_.back() ? 1 : at.length);
    auto* result = reinterpret_cast<float*>(at.wide);  // whole panels of it are written: more than `out` has
    kernels_->norm_float({at.x + (at.length - 1) * at.row, at.row, 1, dim_, norm_.weight.floats(),
                          norm_.bias.floats(), result, at.row});
    std::copy_n(result, out.size(), out.data());
}

/// Adds what the block computes to the last `queries` positions of the residual stream; of the last block no
/// other position is ever read.
void Network::run_block(const Block& block, const Workspace& at, std::ptrdiff_t queries) const {
    float* x = at.x + (at.length - queries) * at.row;
    kernels_->norm({at.x, at.row, at.length, dim_, block.norm1.weight.floats(), block.norm1.bias.floats(),
                    at.normed, at.row});
    attend(block, at, queries);
    kernels_->product_add(product(block.out, at.attended, at.row, queries, x, at.row));
    kernels_->norm({x, at.row, queries, dim_, block.norm2.weight.floats(), block.norm2.bias.floats(),
                    at.normed, at.row});
    kernels_->product_gelu(product(block.wide, at.normed, at.row, queries, at.wide, at.wide_row));
    kernels_->product_add(product(block.narrow, at.wide, at.wide_row, queries, x, at.row));
}

void Network::attend(const Block& block, const Workspace& at, std::ptrdiff_t queries) const {
    const std::byte* last = at.normed + (at.length - queries) * at.row * kernels_->value_size;
    kernels_->product(product(block.query, last, at.row, queries, at.query, at.row));
    const std::byte *keys = at.normed, *values = at.normed;
    std::ptrdiff_t key_row = at.row;
    if (block.key_value.out > 0) {
        key_row = row_of(block.key_value.out);
        keys = at.key_value;
        values = keys + dim_ * kernels_->value_size;
        kernels_->product(product(block.key_value, at.normed, at.row, at.length, at.key_value, key_row));
    }
    kernels_->attention({at.query, at.row, keys, values, key_row, queries, at.length, heads_, dim_ / heads_,
                         block.distances.floats() + max_len_ - 1, distance_row_, at.attended, at.row,
                         at.attention});
}

}  // namespace seqrec
