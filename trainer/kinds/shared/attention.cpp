// Causal attention over packed sequences: blocks of queries against the keys before them, so that half of the
// square and all padding are never computed.
#include <cmath>
#include <vector>

#include "kernels/step_kernels.hpp"
#include "kinds/shared/ops.hpp"
#include "kinds/shared/plain_ops.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using kernels::Gemm;
using kernels::Mask;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRows = 48;  // queries of a block

/// One block: the queries [first, first + rows) of a sequence against its keys [0, first + rows).
struct QueryBlock {
    std::int64_t start, first, rows, head;  // `start`: the sequence's first token
    std::int64_t stored;                    // where its probabilities lie
    std::int64_t columns() const { return first + rows; }
};

std::vector<QueryBlock> cut_blocks(const Packed& batch, std::int64_t heads) {
    std::vector<QueryBlock> blocks;
    std::int64_t stored = 0;
    for (std::int64_t s = 0; s < batch.sequences(); ++s) {
        const std::int64_t start = batch.offsets[s], length = batch.offsets[s + 1] - start;
        for (std::int64_t head = 0; head < heads; ++head)
            for (std::int64_t first = 0; first < length; first += kRows) {
                const QueryBlock block{start, first, std::min(kRows, length - first), head, stored};
                stored += block.rows * block.columns();
                blocks.push_back(block);
            }
    }
    return blocks;
}

std::int64_t stored_size(const std::vector<QueryBlock>& blocks) {
    return blocks.empty() ? 0 : blocks.back().stored + blocks.back().rows * blocks.back().columns();
}

/// Pointers of one head in a [T, 3 dim] tensor, at a sequence's first token.
struct Heads {
    float *query, *key, *value;
    Heads(const Tensor& qkv, const QueryBlock& block, std::int64_t width) {
        const std::int64_t dim = qkv.size(1) / 3;
        query = qkv.data_ptr<float>() + block.start * qkv.size(1) + block.head * width;
        key = query + dim;
        value = key + dim;
    }
};

/// Each head's bias reversed, so that it is read forwards: [heads][max_len], distance 0 at the end.
std::vector<float> reverse(const Tensor& relative) {
    const std::int64_t heads = relative.size(0), length = relative.size(1);
    std::vector<float> reversed(static_cast<std::size_t>(heads * length));
    for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t i = 0; i < length; ++i)
            reversed[h * length + length - 1 - i] = relative.data_ptr<float>()[h * length + i];
    return reversed;
}

Mask block_mask(Mask mask, const QueryBlock& block) {
    mask.seed += static_cast<std::uint32_t>(block.stored) * 0x85EBCA6Bu;
    return mask;
}

struct Attention : torch::autograd::Function<Attention> {
    static Tensor forward(AutogradContext* context, const Tensor& raw, const Tensor& bias,
                          const Tensor& relative, const Batch& batch, Mask mask) {
        const std::int64_t wide = raw.size(1), dim = wide / 3, heads = relative.size(0), width = dim / heads;
        const std::int64_t length = relative.size(1);
        k().add_bias(raw.data_ptr<float>(), bias.data_ptr<float>(), raw.size(0), wide);
        const std::vector<QueryBlock> blocks = cut_blocks(*batch, heads);
        const std::vector<float> reversed = reverse(relative);
        Tensor probabilities = at::empty({stored_size(blocks)}, raw.options());
        Tensor result = at::empty({raw.size(0), dim}, raw.options());
        std::vector<float> dropped;
        for (const QueryBlock& block : blocks) {
            const Heads at(raw, block, width);
            const std::int64_t columns = block.columns();
            float* p = probabilities.data_ptr<float>() + block.stored;
            k().gemm({block.rows, columns, width, at.query + block.first * wide, wide, 1, at.key, 1, wide, p,
                      columns, 1 / std::sqrt(static_cast<float>(width))});
            k().causal_softmax(p, block.rows, columns, block.first,
                               reversed.data() + block.head * length + length - 1);
            if (mask.rate > 0) {
                dropped.resize(static_cast<std::size_t>(block.rows * columns));
                k().dropout(p, dropped.data(), block.rows * columns, block_mask(mask, block));
                p = dropped.data();
            }
            float* y = result.data_ptr<float>() + (block.start + block.first) * dim + block.head * width;
            k().gemm({block.rows, width, columns, p, columns, 1, at.value, wide, 1, y, dim});
        }
        context->save_for_backward({raw, relative, probabilities});
        context->saved_data["seed"] = static_cast<std::int64_t>(mask.seed);
        context->saved_data["rate"] = static_cast<double>(mask.rate);
        context->saved_data["batch"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(batch));
        return result;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tensor &qkv = saved[0], &relative = saved[1], &probabilities = saved[2];
        const Batch& batch =
            static_cast<const Holder*>(context->saved_data["batch"].toCapsule().get())->batch;
        const Mask mask{static_cast<std::uint32_t>(context->saved_data["seed"].toInt()),
                        static_cast<float>(context->saved_data["rate"].toDouble())};
        const std::int64_t wide = qkv.size(1), heads = relative.size(0), length = relative.size(1);
        const Tensor dy = gradients[0].contiguous();
        Tensor dqkv = at::zeros_like(qkv), dbias = at::zeros({wide}, qkv.options());
        std::vector<float> reversed(static_cast<std::size_t>(heads * length));
        Scratch scratch;
        for (const QueryBlock& block : cut_blocks(*batch, heads))
            block_backward(block, qkv, probabilities, dy, dqkv,
                           reversed.data() + block.head * length + length - 1, mask, wide / 3 / heads,
                           scratch);
        k().column_sums(dqkv.data_ptr<float>(), dbias.data_ptr<float>(), qkv.size(0), wide);
        Tensor drelative = at::empty_like(relative);
        for (std::int64_t h = 0; h < heads; ++h)
            for (std::int64_t i = 0; i < length; ++i)
                drelative.data_ptr<float>()[h * length + i] = reversed[h * length + length - 1 - i];
        return {dqkv, dbias, drelative, Tensor(), Tensor()};
    }

  private:
    struct Holder : torch::CustomClassHolder {
        explicit Holder(Batch batch) : batch(std::move(batch)) {}
        Batch batch;
    };
    struct Scratch {
        std::vector<float> dp, dropped;
    };

    static void block_backward(const QueryBlock& block, const Tensor& qkv, const Tensor& probabilities,
                               const Tensor& dy, const Tensor& dqkv, float* dbias, Mask mask,
                               std::int64_t width, Scratch& scratch) {
        const std::int64_t wide = qkv.size(1), dim = wide / 3, columns = block.columns();
        const std::int64_t size = block.rows * columns;
        const float scale = 1 / std::sqrt(static_cast<float>(width));
        const Heads at(qkv, block, width), to(dqkv, block, width);
        const float* d = dy.data_ptr<float>() + (block.start + block.first) * dim + block.head * width;
        float* p = probabilities.data_ptr<float>() + block.stored;
        scratch.dp.resize(static_cast<std::size_t>(size));
        k().gemm({block.rows, columns, width, d, dim, 1, at.value, 1, wide, scratch.dp.data(), columns});
        const float* used = p;
        if (mask.rate > 0) {
            scratch.dropped.resize(static_cast<std::size_t>(size));
            k().dropout(p, scratch.dropped.data(), size, block_mask(mask, block));
            k().dropout(scratch.dp.data(), scratch.dp.data(), size, block_mask(mask, block));
            used = scratch.dropped.data();
        }
        k().gemm({columns, width, block.rows, used, 1, columns, d, dim, 1, to.value, wide, 1, true});
        k().causal_softmax_backward(p, scratch.dp.data(), block.rows, columns, block.first, dbias);
        k().gemm({block.rows, width, columns, p, columns, 1, at.key, wide, 1, to.query + block.first * wide,
                  wide, scale, true});
        k().gemm({columns, width, block.rows, p, 1, columns, at.query + block.first * wide, wide, 1, to.key,
                  wide, scale, true});
    }
};

}  // namespace

Tensor attention(const Tensor& qkv, const Tensor& bias, const Tensor& relative, const Batch& batch,
                 Mask mask) {
    if (!qkv.is_cpu()) return plain::attention(qkv, bias, relative, batch, mask.rate);
    return Attention::apply(qkv, bias, relative, batch, mask);
}

}  // namespace seqrec::trainer
