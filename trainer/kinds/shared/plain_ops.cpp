#include "kinds/shared/plain_ops.hpp"

#include <algorithm>
#include <cmath>

namespace seqrec::trainer::plain {
namespace {

using at::Tensor;

template <typename T>
Tensor index_on(const std::vector<T>& values, const Tensor& like) {
    Tensor index = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
    std::copy(values.begin(), values.end(), index.data_ptr<std::int64_t>());
    return index.to(like.device());
}

Tensor drop(const Tensor& x, float rate) { return rate > 0 ? at::dropout(x, rate, true) : x; }

/// For each token its sequence and its place in it.
struct Places {
    std::vector<std::int64_t> sequence, place;
    std::int64_t longest = 0;

    explicit Places(const Packed& batch) {
        for (std::int64_t s = 0; s < batch.sequences(); ++s)
            for (std::int64_t t = batch.offsets[s]; t < batch.offsets[s + 1]; ++t) {
                sequence.push_back(s);
                place.push_back(t - batch.offsets[s]);
                longest = std::max(longest, place.back() + 1);
            }
    }
};

/// [queries, keys]: how far back a key lies, and whether it lies ahead.
Tensor distances(std::int64_t length, const Tensor& like) {
    const Tensor at = at::arange(length, like.options().dtype(at::kLong));
    return at.unsqueeze(1) - at.unsqueeze(0);
}

}  // namespace

Tensor embed(const Tensor& items, const Tensor& positions, const Batch& batch, float scale, float dropout) {
    const Tensor rows = items.index_select(0, index_on(batch->items, items)) * scale;
    return drop(rows + positions.index_select(0, index_on(Places(*batch).place, items)), dropout);
}

Tensor product(const Tensor& x, const Tensor& weight) { return x.mm(weight.t()); }

Tensor norm(const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return at::layer_norm(x, {x.size(1)}, weight, bias, 1e-5);
}

Tensor bias_gelu(const Tensor& x, const Tensor& bias, float dropout) {
    return drop(at::gelu(x + bias, "tanh"), dropout);
}

Tensor join(const Tensor& x, const Tensor& bias, const Tensor& residual, float dropout) {
    return residual + drop(x + bias, dropout);
}

/// Sequences are padded to the longest; what stands in padding is neither looked at nor handed on.
Tensor attention(const Tensor& qkv, const Tensor& bias, const Tensor& relative, const Batch& batch,
                 float dropout) {
    const std::int64_t dim = qkv.size(1) / 3, heads = relative.size(0), width = dim / heads;
    const Places places(*batch);
    const Tensor sequence = index_on(places.sequence, qkv), place = index_on(places.place, qkv);
    const std::int64_t length = places.longest;
    const Tensor padded = at::zeros({batch->sequences(), length, 3 * dim}, qkv.options())
                              .index_put({sequence, place}, qkv + bias);
    const auto part = [&](std::int64_t number) {  // [sequences, heads, length, width]
        return padded.narrow(2, number * dim, dim)
            .reshape({batch->sequences(), length, heads, width})
            .transpose(1, 2);
    };
    const Tensor back = distances(length, qkv);
    const Tensor by_distance =
        relative.index_select(1, back.clamp(0).flatten()).reshape({heads, length, length});
    const Tensor scores = part(0).matmul(part(1).transpose(2, 3)) / std::sqrt(static_cast<double>(width));
    const Tensor hidden = (scores + by_distance).masked_fill(back < 0, -INFINITY);
    const Tensor seen = drop(hidden.softmax(3), dropout).matmul(part(2)).transpose(1, 2);
    return seen.reshape({batch->sequences(), length, dim}).index({sequence, place});
}

Tensor add_rows(const Tensor& hidden, const Tensor& rows, const Batch& batch,
                const std::vector<std::int32_t>& row_of_sequence) {
    const Tensor with_none = at::cat({rows, at::zeros({1, rows.size(1)}, rows.options())});
    std::vector<std::int64_t> row_of_token;
    for (const std::int64_t sequence : Places(*batch).sequence) {
        const std::int32_t row = row_of_sequence[static_cast<std::size_t>(sequence)];
        row_of_token.push_back(row < 0 ? rows.size(0) : row);
    }
    return hidden + with_none.index_select(0, index_on(row_of_token, rows));
}

Tensor unit_rows(const Tensor& x) { return x / x.norm(2, 1, true).clamp_min(1e-12); }

Tensor softmax_loss(const Tensor& hidden, const Tensor& items, const std::vector<std::int32_t>& labels,
                    const std::vector<float>& weights, double scale, double factor,
                    const std::vector<float>& counts, const SoftLabels& soft) {
    const Tensor logits = hidden.mm(items.t()) * scale;
    const Tensor label = index_on(labels, hidden).unsqueeze(1);
    Tensor picked = logits.gather(1, label);
    if (soft.each > 0) {
        const Tensor others = index_on(soft.items, hidden).reshape({-1, soft.each});
        const Tensor shares = at::tensor(soft.shares).to(hidden).reshape({-1, soft.each});
        picked = picked * (1 - shares.sum(1, true)) + (logits.gather(1, others) * shares).sum(1, true);
    }
    Tensor counted = logits;
    if (!weights.empty()) {  // the label itself counts 1
        const Tensor extra = at::tensor(weights).log().to(logits).unsqueeze(0).expand_as(logits);
        counted = logits + extra.scatter(1, label, 0);
    }
    if (!counts.empty())
        return ((counted.logsumexp(1) - picked.squeeze(1)) * at::tensor(counts).to(hidden)).sum() * factor;
    return (counted.logsumexp(1).sum() - picked.sum()) * factor;
}

Tensor gather(const Tensor& table, const Terms& terms) {
    std::vector<std::int64_t> tokens, rows;
    std::vector<float> x;
    for (std::int64_t t = 0; t < terms.tokens(); ++t)
        for (auto i = terms.offsets[static_cast<std::size_t>(t)];
             i < terms.offsets[static_cast<std::size_t>(t) + 1]; ++i) {
            const Terms::Term& term = terms.terms[static_cast<std::size_t>(i)];
            tokens.push_back(t);
            rows.push_back(term.row);
            x.push_back(term.x);
        }
    const Tensor parts = table.index_select(0, index_on(rows, table)) * at::tensor(x).to(table).unsqueeze(1);
    return at::zeros({terms.tokens(), table.size(1)}, table.options())
        .index_add(0, index_on(tokens, table), parts);
}

}  // namespace seqrec::trainer::plain
