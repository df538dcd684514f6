#include "kinds/vae/additive_attention.hpp"

#include <algorithm>
#include <vector>

#include "kernels/step_kernels.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRows = 48;  // queries of a block
constexpr double kMost = 20;        // exp(2 x) exp(2 y) then stays a float

float* at_row(const Tensor& x, std::int64_t row) { return x.data_ptr<float>() + row * x.size(1); }

/// The queries [first, first + rows) of the sequence that starts at token `start`; its keys are [0, first + rows).
struct QueryBlock {
    std::int64_t start, first, rows, stored;  // `stored`: where its probabilities lie
    std::int64_t columns() const { return first + rows; }
};

std::vector<QueryBlock> cut_blocks(const Packed& batch) {
    std::vector<QueryBlock> blocks;
    std::int64_t stored = 0;
    for (std::int64_t s = 0; s < batch.sequences(); ++s) {
        const std::int64_t start = batch.offsets[s], length = batch.offsets[s + 1] - start;
        for (std::int64_t first = 0; first < length; first += kRows) {
            blocks.push_back({start, first, std::min(kRows, length - first), stored});
            stored += blocks.back().rows * blocks.back().columns();
        }
    }
    return blocks;
}

std::int64_t stored_size(const std::vector<QueryBlock>& blocks) {
    return blocks.empty() ? 0 : blocks.back().stored + blocks.back().rows * blocks.back().columns();
}

kernels::Additive pairs(const Tensor& query, const Tensor& key, const Tensor& score, std::int64_t asking,
                        std::int64_t start, std::int64_t rows) {
    return {at_row(query, asking), at_row(key, start), score.data_ptr<float>(), rows, query.size(1)};
}

struct Holder : torch::CustomClassHolder {
    explicit Holder(Batch batch) : batch(std::move(batch)) {}
    Batch batch;
};

/// Of exponentials exp(2 query) and exp(2 key); gradients are those of the exponents.
struct Additive : torch::autograd::Function<Additive> {
    static Tensor forward(AutogradContext* context, const Tensor& raw_query, const Tensor& raw_key,
                          const Tensor& score, const Tensor& values, const Batch& batch) {
        const Tensor query = (raw_query * 2).exp_(), key = (raw_key * 2).exp_();
        const std::vector<QueryBlock> blocks = cut_blocks(*batch);
        const std::vector<float> even(static_cast<std::size_t>(batch->tokens()) + 64);  // no bias of distance
        const float* bias = even.data() + batch->tokens();
        Tensor probabilities = at::empty({stored_size(blocks)}, query.options());
        Tensor result = at::empty({values.size(0), values.size(1)}, values.options());
        const std::int64_t width = values.size(1);
        for (const QueryBlock& block : blocks) {
            float* p = probabilities.data_ptr<float>() + block.stored;
            for (std::int64_t r = 0; r < block.rows; ++r) {
                const std::int64_t visible = block.first + r + 1;
                k().additive_scores(
                    pairs(query, key, score, block.start + block.first + r, block.start, visible),
                    p + r * block.columns());
            }
            k().causal_softmax(p, block.rows, block.columns(), block.first, bias);
            k().gemm({block.rows, width, block.columns(), p, block.columns(), 1, at_row(values, block.start),
                      width, 1, at_row(result, block.start + block.first), width});
        }
        context->save_for_backward({query, key, score, values, probabilities});
        context->saved_data["batch"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(batch));
        return result;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tensor &query = saved[0], &key = saved[1], &score = saved[2], &values = saved[3];
        const Batch& batch =
            static_cast<const Holder*>(context->saved_data["batch"].toCapsule().get())->batch;
        const Tensor dy = gradients[0].contiguous();
        Tensor dquery = at::zeros_like(query), dkey = at::zeros_like(key), dscore = at::zeros_like(score),
               dvalues = at::zeros_like(values);
        std::vector<float> dp, even(2 * static_cast<std::size_t>(batch->tokens()) + 128);
        float* bias = even.data() + batch->tokens();
        const std::int64_t width = values.size(1);
        for (const QueryBlock& block : cut_blocks(*batch)) {
            float* p = saved[4].data_ptr<float>() + block.stored;
            const float* d = at_row(dy, block.start + block.first);
            const std::int64_t columns = block.columns();
            dp.resize(static_cast<std::size_t>(block.rows * columns));
            k().gemm({block.rows, columns, width, d, width, 1, at_row(values, block.start), 1, width,
                      dp.data(), columns});
            k().gemm({columns, width, block.rows, p, 1, columns, d, width, 1, at_row(dvalues, block.start),
                      width, 1, true});
            k().causal_softmax_backward(p, dp.data(), block.rows, columns, block.first, bias);
            for (std::int64_t r = 0; r < block.rows; ++r) {
                const std::int64_t asking = block.start + block.first + r;
                k().additive_backward(pairs(query, key, score, asking, block.start, block.first + r + 1),
                                      p + r * columns, at_row(dquery, asking), at_row(dkey, block.start),
                                      dscore.data_ptr<float>());
            }
        }
        return {dquery, dkey, dscore, dvalues, Tensor()};
    }
};

void softmax(std::vector<float>& scores) {
    const std::vector<float> even(2 * scores.size() + 64);
    const auto count = static_cast<std::int64_t>(scores.size());
    k().causal_softmax(scores.data(), 1, count, count - 1, even.data() + count);
}

Tensor limited(const Tensor& x) { return at::clamp(x, -kMost, kMost); }

}  // namespace

Tensor additive_attention(const Tensor& query, const Tensor& key, const Tensor& score, const Tensor& values,
                          const Batch& batch) {
    return Additive::apply(limited(query), limited(key), score, values, batch);
}

Tensor last_additive_attention(const Tensor& query, const Tensor& key, const Tensor& score,
                               const Tensor& values, const Packed& batch) {
    const Tensor x = (limited(query) * 2).exp_(), y = (limited(key) * 2).exp_();
    Tensor result = at::zeros({batch.sequences(), values.size(1)}, values.options());
    std::vector<float> scores;
    for (std::int64_t s = 0; s < batch.sequences(); ++s) {
        const std::int64_t start = batch.offsets[s], length = batch.offsets[s + 1] - start;
        if (length == 0) continue;
        scores.resize(static_cast<std::size_t>(length));
        k().additive_scores(pairs(x, y, score, s, start, length), scores.data());
        softmax(scores);
        for (std::int64_t i = 0; i < length; ++i)
            k().axpy(at_row(values, start + i), at_row(result, s), values.size(1),
                     scores[static_cast<std::size_t>(i)]);
    }
    return result;
}

}  // namespace seqrec::trainer
