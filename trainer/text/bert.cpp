#include "text/bert.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/step_kernels.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::int64_t kQueries = 48;  // of a block of attention

const float* in(const at::Tensor& t) { return t.data_ptr<float>(); }

std::vector<float> floats(const at::Tensor& t) { return {in(t), in(t) + t.numel()}; }

std::int64_t rounded_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

template <typename T>
void convert(const T* row, std::int64_t n, float* to) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(row[i]);
}

/// A row of a table in any of the three types.
void copy_row(const at::Tensor& table, std::int64_t row, float* to) {
    const std::int64_t n = table.size(1);
    if (table.scalar_type() == at::kHalf)
        convert(table.data_ptr<at::Half>() + row * n, n, to);
    else if (table.scalar_type() == at::kBFloat16)
        convert(table.data_ptr<at::BFloat16>() + row * n, n, to);
    else
        convert(table.data_ptr<float>() + row * n, n, to);
}

void join_norm(const float* x, const float* bias, const NormWeights& norm, float epsilon, float* y,
               std::int64_t rows) {
    k().text.join_norm(x, bias, y, in(norm.weight), in(norm.bias), epsilon, rows, norm.weight.numel());
}

}  // namespace

void PackedTexts::add(std::span<const std::int32_t> text) {
    ids.insert(ids.end(), text.begin(), text.end());
    offsets.push_back(tokens());
}

PackedLinear::PackedLinear(const LinearWeights& weights, bool bfloat16)
    : inputs_(weights.weight.size(1)),
      outputs_(weights.weight.size(0)),
      bfloat16_(bfloat16),
      bias_(floats(weights.bias)) {
    const at::Tensor weight = weights.weight.contiguous();
    std::vector<float> pairs;
    std::int64_t depth = inputs_;
    if (bfloat16_) {
        depth = (inputs_ + 1) / 2;
        pairs.resize(static_cast<std::size_t>(outputs_ * depth));
        k().bfloat16->pair_columns(in(weight), outputs_, inputs_, pairs.data());
    }
    packed_.resize(static_cast<std::size_t>(rounded_up(outputs_, kernels::kPackMultiple) * depth));
    const float* from = bfloat16_ ? pairs.data() : in(weight);
    k().pack_b({.n = outputs_, .k = depth, .b = from, .b_row = 1, .b_column = depth}, packed_.data());
}

void PackedLinear::multiply(const float* x, std::int64_t rows, float* y, float* pairs) const {
    kernels::Gemm gemm{.m = rows,
                       .n = outputs_,
                       .k = inputs_,
                       .a = x,
                       .a_row = inputs_,
                       .a_column = 1,
                       .c = y,
                       .c_row = outputs_,
                       .packed_b = packed_.data()};
    if (!bfloat16_) return k().gemm(gemm);
    k().bfloat16->pair_columns(x, rows, inputs_, pairs);
    gemm.k = gemm.a_row = (inputs_ + 1) / 2;
    gemm.a = pairs;
    k().bfloat16->gemm(gemm);
}

struct Bert::Layer {
    PackedLinear query_key_value, output, inner, outer;
    NormWeights attention_norm, norm;
};

Bert::Bert(const BertConfig& config, const BertWeights& weights, bool bfloat16)
    : config_(config),
      words_(weights.words),
      positions_(weights.positions),
      type_(floats(weights.type)),
      norm_(weights.norm) {
    bfloat16 = bfloat16 && k().bfloat16;
    for (const BertLayerWeights& layer : weights.layers)
        layers_.push_back({PackedLinear(layer.query_key_value, bfloat16),
                           PackedLinear(layer.output, bfloat16), PackedLinear(layer.inner, bfloat16),
                           PackedLinear(layer.outer, bfloat16), layer.attention_norm, layer.norm});
}

Bert::Bert(Bert&&) noexcept = default;
Bert::~Bert() = default;

void Bert::embed(const PackedTexts& texts, BertScratch& scratch) const {
    const std::int64_t n = config_.hidden;
    for (std::int64_t s = 0; s < texts.texts(); ++s)
        for (std::int64_t t = texts.offsets[s]; t < texts.offsets[s + 1]; ++t) {
            copy_row(words_, texts.ids[t], scratch.hidden.data() + t * n);
            std::copy_n(in(positions_) + (t - texts.offsets[s]) * n, n, scratch.joined.data() + t * n);
        }
    join_norm(scratch.joined.data(), type_.data(), norm_, config_.epsilon, scratch.hidden.data(),
              texts.tokens());
}

/// Queries, keys and values lie beside each other in scratch.wide; answers go to scratch.joined.
void Bert::attend(const PackedTexts& texts, BertScratch& scratch) const {
    const std::int64_t hidden = config_.hidden, wide = 3 * hidden, width = hidden / config_.heads;
    const float scale = 1 / std::sqrt(static_cast<float>(width));
    float* scores = scratch.scores.data();
    for (std::int64_t s = 0; s < texts.texts(); ++s) {
        const std::int64_t start = texts.offsets[s], length = texts.offsets[s + 1] - start;
        for (std::int64_t head = 0; head < config_.heads; ++head) {
            const float* query = scratch.wide.data() + start * wide + head * width;
            const float *key = query + hidden, *value = key + hidden;
            float* to = scratch.joined.data() + start * hidden + head * width;
            for (std::int64_t first = 0; first < length; first += kQueries) {
                const std::int64_t rows = std::min(kQueries, length - first);
                k().gemm({rows, length, width, query + first * wide, wide, 1, key, 1, wide, scores, length,
                          scale});
                k().text.softmax(scores, rows, length);
                k().gemm(
                    {rows, width, length, scores, length, 1, value, wide, 1, to + first * hidden, hidden});
            }
        }
    }
}

void Bert::apply(const Layer& layer, const PackedTexts& texts, BertScratch& scratch) const {
    const std::int64_t rows = texts.tokens();
    float *hidden = scratch.hidden.data(), *wide = scratch.wide.data(), *joined = scratch.joined.data();
    float* pairs = scratch.pairs.data();
    layer.query_key_value.multiply(hidden, rows, wide, pairs);
    k().add_bias(wide, layer.query_key_value.bias(), rows, layer.query_key_value.outputs());
    attend(texts, scratch);
    layer.output.multiply(joined, rows, wide, pairs);
    join_norm(wide, layer.output.bias(), layer.attention_norm, config_.epsilon, hidden, rows);
    layer.inner.multiply(hidden, rows, wide, pairs);
    k().text.activate(wide, layer.inner.bias(), rows, config_.inner, config_.activation);
    layer.outer.multiply(wide, rows, joined, pairs);
    join_norm(joined, layer.outer.bias(), layer.norm, config_.epsilon, hidden, rows);
}

void Bert::forward(const PackedTexts& texts, BertScratch& scratch) const {
    std::int64_t longest = 0;
    for (std::int64_t s = 0; s < texts.texts(); ++s)
        longest = std::max(longest, texts.offsets[s + 1] - texts.offsets[s]);
    const std::int64_t rows = texts.tokens(), hidden = config_.hidden;
    const std::int64_t widest = std::max(3 * hidden, config_.inner);
    const auto grow = [](std::vector<float>& room, std::int64_t size) {
        if (room.size() < static_cast<std::size_t>(size)) room.resize(static_cast<std::size_t>(size));
    };
    grow(scratch.hidden, rows * hidden);
    grow(scratch.joined, rows * hidden);
    grow(scratch.wide, rows * widest);
    grow(scratch.pairs, rows * (std::max(hidden, config_.inner) + 1) / 2);
    grow(scratch.scores, kQueries * longest);
    embed(texts, scratch);
    for (const Layer& layer : layers_) apply(layer, texts, scratch);
}

double Bert::operations(const PackedTexts& texts) const {
    const auto hidden = static_cast<double>(config_.hidden), inner = static_cast<double>(config_.inner);
    double pairs = 0;
    for (std::int64_t s = 0; s < texts.texts(); ++s)
        pairs += std::pow(static_cast<double>(texts.offsets[s + 1] - texts.offsets[s]), 2);
    const double linear = static_cast<double>(texts.tokens()) * (4 * hidden * hidden + 2 * hidden * inner);
    return 2 * static_cast<double>(config_.layers) * (linear + 2 * pairs * hidden);
}

}  // namespace seqrec::trainer
