// Every hand-written operation against libtorch's own, values and gradients.
#include <gtest/gtest.h>

#include "kinds/transformer/loss.hpp"
#include "kinds/transformer/ops.hpp"
#include "kinds/transformer/plain_ops.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using Forward = std::function<Tensor(const std::vector<Tensor>&)>;

Tensor leaf(std::vector<std::int64_t> shape, std::int64_t seed) {
    at::manual_seed(seed);
    return at::randn(shape).requires_grad_();
}

double relative_error(const Tensor& ours, const Tensor& theirs) {
    return ((ours.to(at::kDouble) - theirs.to(at::kDouble)).norm() / (theirs.to(at::kDouble).norm() + 1e-12))
        .item<double>();
}

/// Values and all gradients of the two agree within `tolerance`, relative, in the Euclidean norm.
void expect_equal(const std::vector<Tensor>& inputs, const Forward& ours, const Forward& theirs,
                  double tolerance = 1e-5) {
    const Tensor y = ours(inputs), expected = theirs(inputs);
    EXPECT_LT(relative_error(y, expected), tolerance);
    at::manual_seed(99);
    const Tensor along = y.dim() == 0 ? at::ones({}, y.options()) : at::randn(y.sizes());
    const auto ours_gradients = torch::autograd::grad({y}, inputs, {along});
    const auto gradients = torch::autograd::grad({expected}, inputs, {along.to(expected.dtype())});
    for (std::size_t i = 0; i < inputs.size(); ++i)
        EXPECT_LT(relative_error(ours_gradients[i], gradients[i]), tolerance) << "input " << i;
}

Batch batch_of(const std::vector<int>& lengths) {
    auto batch = std::make_shared<Packed>();
    Random random(3);
    for (std::size_t s = 0; s < lengths.size(); ++s) {
        std::vector<std::int32_t> items;
        for (int i = 0; i < lengths[s]; ++i) items.push_back(static_cast<std::int32_t>(random.below(11)));
        batch->append(items, static_cast<std::int32_t>(s));
    }
    return batch;
}

Tensor index(const std::vector<std::int32_t>& values) {
    Tensor result = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
    for (std::size_t i = 0; i < values.size(); ++i) result.data_ptr<std::int64_t>()[i] = values[i];
    return result;
}

const std::vector<int> kLengths{1, 70, 3, 49, 120};

TEST(Gradient, Product) {
    expect_equal(
        {leaf({37, 24}, 1), leaf({40, 24}, 2)}, [](const auto& x) { return product(x[0], x[1]); },
        [](const auto& x) { return x[0].mm(x[1].t()); });
}

TEST(Gradient, Bfloat16Product) {
    if (!kernels::table().bfloat16) GTEST_SKIP() << "no bfloat16 products on this CPU";
    for (const auto& [rows, from, to] : {std::array{37, 24, 40}, {130, 600, 70}, {1, 7, 33}})
        expect_equal(
            {leaf({rows, from}, 1), leaf({to, from}, 2)},
            [](const auto& x) { return product(x[0], x[1], true); },
            [](const auto& x) { return x[0].mm(x[1].t()); }, 6e-3);
}

TEST(Gradient, DeepProduct) {
    expect_equal(
        {leaf({130, 600}, 1), leaf({70, 600}, 2)}, [](const auto& x) { return product(x[0], x[1]); },
        [](const auto& x) { return x[0].mm(x[1].t()); });
}

TEST(Gradient, Norm) {
    expect_equal(
        {leaf({37, 24}, 1), leaf({24}, 2), leaf({24}, 3)},
        [](const auto& x) { return norm(x[0], x[1], x[2]); },
        [](const auto& x) { return at::layer_norm(x[0], {24}, x[1], x[2]); });
}

TEST(Gradient, BiasGelu) {
    expect_equal(
        {leaf({37, 40}, 1), leaf({40}, 2)}, [](const auto& x) { return bias_gelu(x[0].clone(), x[1], {}); },
        [](const auto& x) { return at::gelu(x[0] + x[1], "tanh"); });
}

TEST(Gradient, UnitRows) {
    expect_equal(
        {leaf({37, 24}, 1)}, [](const auto& x) { return unit_rows(x[0]); },
        [](const auto& x) { return x[0] / x[0].norm(2, 1, true); });
}

TEST(Gradient, Embed) {
    const Batch batch = batch_of(kLengths);
    std::vector<std::int32_t> places;
    for (const int length : kLengths)
        for (int i = 0; i < length; ++i) places.push_back(i);
    expect_equal(
        {leaf({11, 24}, 1), leaf({120, 24}, 2)},
        [&](const auto& x) { return embed(x[0], x[1], batch, 3, {}); },
        [&](const auto& x) {
            return x[0].index_select(0, index(batch->items)) * 3 + x[1].index_select(0, index(places));
        });
}

TEST(Gradient, AddRows) {
    const Batch batch = batch_of(kLengths);
    const std::vector<std::int32_t> rows{2, -1, 0, 2, 1};
    Tensor pick = at::zeros({batch->tokens(), 3});
    for (std::size_t s = 0; s < rows.size(); ++s)
        if (rows[s] >= 0) pick.slice(0, batch->offsets[s], batch->offsets[s + 1]).select(1, rows[s]).fill_(1);
    expect_equal(
        {leaf({batch->tokens(), 24}, 1), leaf({3, 24}, 2)},
        [&](const auto& x) { return add_rows(x[0], x[1], batch, rows); },
        [&](const auto& x) { return x[0] + pick.mm(x[1]); });
}

/// Attention of one sequence in plain operations.
Tensor plain_attention(const Tensor& qkv, const Tensor& relative) {
    const std::int64_t length = qkv.size(0), heads = relative.size(0), width = qkv.size(1) / 3 / heads;
    const auto part = qkv.reshape({length, 3, heads, width}).permute({1, 2, 0, 3});
    Tensor distance = at::arange(length).unsqueeze(1) - at::arange(length);
    Tensor scores = part[0].matmul(part[1].transpose(1, 2)) / std::sqrt(static_cast<double>(width));
    scores =
        scores + relative.index_select(1, distance.clamp_min(0).flatten()).reshape({heads, length, length});
    scores = scores.masked_fill(distance < 0, -1e30);
    return scores.softmax(2).matmul(part[2]).transpose(0, 1).reshape({length, heads * width});
}

TEST(Gradient, Attention) {
    const Batch batch = batch_of(kLengths);
    for (const std::int64_t heads : {1, 2})
        expect_equal(
            {leaf({batch->tokens(), 48}, 1), leaf({48}, 2), leaf({heads, 130}, 3)},
            [&](const auto& x) { return attention(x[0].clone(), x[1], x[2], batch, {}); },
            [&](const auto& x) {
                std::vector<Tensor> parts;
                for (std::size_t s = 0; s < kLengths.size(); ++s)
                    parts.push_back(plain_attention(
                        x[0].slice(0, batch->offsets[s], batch->offsets[s + 1]) + x[1], x[2]));
                return at::cat(parts);
            });
}

/// The whole loss against libtorch's cross-entropy in double precision.
void expect_softmax_loss(std::int64_t tokens, std::int64_t items, double scale, bool sampled = false,
                         bool bfloat16 = false) {
    Random random(4);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(tokens));
    for (auto& label : labels)
        label = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(items)));
    std::vector<float> weights;
    Tensor log_weights = at::zeros({tokens, items}, at::kDouble);
    for (std::int64_t i = 0; sampled && i < items; ++i) {
        weights.push_back(static_cast<float>(1 + random.below(20)));
        log_weights.select(1, i).fill_(std::log(weights.back()));
    }
    log_weights.scatter_(1, index(labels).unsqueeze(1), 0);
    expect_equal(
        {leaf({tokens, 64}, 1), leaf({items, 64}, 2)},
        [&](const auto& x) {
            return softmax_loss(unit_rows(x[0]), unit_rows(x[1]), labels, weights, scale, 0.25, bfloat16);
        },
        [&](const auto& x) {
            const Tensor h = x[0].to(at::kDouble), w = x[1].to(at::kDouble);
            const Tensor logits = (h / h.norm(2, 1, true)).mm((w / w.norm(2, 1, true)).t()) * scale;
            const Tensor picked = logits.gather(1, index(labels).unsqueeze(1));
            return ((logits + log_weights).logsumexp({1}).sum() - picked.sum()) * 0.25;
        },
        bfloat16 ? 1.5e-2 : 1e-5);
}

TEST(Gradient, SoftmaxLoss) {
    expect_softmax_loss(150, 1000, 20);
    expect_softmax_loss(97, 61, 20);
    expect_softmax_loss(1, 2, 20);
    expect_softmax_loss(40, 20000, 20);
    expect_softmax_loss(150, 1000, 20, true);
    expect_softmax_loss(100, 500,
                        200);  // a scale whose exponentials need each row's own largest logit
}

TEST(Gradient, Bfloat16SoftmaxLoss) {
    if (!kernels::table().bfloat16) GTEST_SKIP() << "no bfloat16 products on this CPU";
    expect_softmax_loss(150, 1000, 20, false, true);
    expect_softmax_loss(97, 61, 20, false, true);
    expect_softmax_loss(1, 2, 20, false, true);
    expect_softmax_loss(150, 1000, 20, true, true);
    expect_softmax_loss(100, 500, 60, false, true);
}

/// What other devices compute, here on the CPU.
TEST(Gradient, PlainOperationsEqualTheKernels) {
    const Batch batch = batch_of(kLengths);
    const std::int64_t tokens = batch->tokens();
    const std::vector<std::int32_t> rows{2, -1, 0, 2, 1};
    expect_equal(
        {leaf({11, 24}, 1), leaf({120, 24}, 2)},
        [&](const auto& x) { return embed(x[0], x[1], batch, 3, {}); },
        [&](const auto& x) { return plain::embed(x[0], x[1], batch, 3, 0); });
    expect_equal(
        {leaf({37, 24}, 1), leaf({40, 24}, 2)}, [](const auto& x) { return product(x[0], x[1]); },
        [](const auto& x) { return plain::product(x[0], x[1]); });
    expect_equal(
        {leaf({37, 24}, 1), leaf({24}, 2), leaf({24}, 3)},
        [](const auto& x) { return norm(x[0], x[1], x[2]); },
        [](const auto& x) { return plain::norm(x[0], x[1], x[2]); });
    expect_equal(
        {leaf({37, 40}, 1), leaf({40}, 2)}, [](const auto& x) { return bias_gelu(x[0].clone(), x[1], {}); },
        [](const auto& x) { return plain::bias_gelu(x[0], x[1], 0); });
    expect_equal(
        {leaf({37, 40}, 1), leaf({40}, 2), leaf({37, 40}, 3)},
        [](const auto& x) { return join(x[0], x[1], x[2], {}); },
        [](const auto& x) { return plain::join(x[0], x[1], x[2], 0); });
    expect_equal(
        {leaf({tokens, 48}, 1), leaf({48}, 2), leaf({2, 130}, 3)},
        [&](const auto& x) { return attention(x[0].clone(), x[1], x[2], batch, {}); },
        [&](const auto& x) { return plain::attention(x[0], x[1], x[2], batch, 0); });
    expect_equal(
        {leaf({tokens, 24}, 1), leaf({3, 24}, 2)},
        [&](const auto& x) { return unit_rows(add_rows(x[0], x[1], batch, rows)); },
        [&](const auto& x) { return plain::unit_rows(plain::add_rows(x[0], x[1], batch, rows)); });
    const std::vector<std::int32_t> labels{3, 0, 8};
    for (const std::vector<float>& weights : {std::vector<float>(), std::vector<float>(9, 2.5f)})
        expect_equal(
            {leaf({3, 16}, 1), leaf({9, 16}, 2)},
            [&](const auto& x) {
                return softmax_loss(unit_rows(x[0]), unit_rows(x[1]), labels, weights, 20, 0.5);
            },
            [&](const auto& x) {
                return plain::softmax_loss(plain::unit_rows(x[0]), plain::unit_rows(x[1]), labels, weights,
                                           20, 0.5);
            });
}

/// The mean of many draws is the input: what dropout leaves is scaled up by what it removes.
TEST(Gradient, DropoutKeepsTheMean) {
    std::vector<float> x(100000, 1.0f);
    kernels::table().dropout(x.data(), x.data(), static_cast<std::ptrdiff_t>(x.size()), {7, 0.3f});
    double sum = 0;
    for (const float value : x) sum += value;
    EXPECT_NEAR(sum / static_cast<double>(x.size()), 1, 0.01);
}

}  // namespace
}  // namespace seqrec::trainer
