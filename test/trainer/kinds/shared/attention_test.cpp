// Attention over packed sequences: libtorch's own numbers, and who may see whom.
#include "kinds/shared/gradients.hpp"
#include "kinds/shared/ops.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::batch_of;
using testing::expect_equal;
using testing::kLengths;
using testing::leaf;

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

TEST(Attention, Attention) {
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

constexpr std::int64_t kHeads = 2, kDim = 16, kLongest = 130;

struct Inputs {
    Tensor qkv, bias, relative;

    explicit Inputs(const Batch& batch)
        : qkv(leaf({batch->tokens(), 3 * kDim}, 1).detach()),
          bias(leaf({3 * kDim}, 2).detach()),
          relative(leaf({kHeads, kLongest}, 3).detach()) {}
    Tensor run(const Batch& batch, kernels::Mask mask = {}) const {
        return attention(qkv.clone(), bias, relative, batch, mask);
    }
};

TEST(Attention, OfOnePositionIsItsValue) {
    const Batch batch = batch_of({1, 1});
    const Inputs in(batch);
    const Tensor value = (in.qkv + in.bias).narrow(1, 2 * kDim, kDim);
    EXPECT_LT(testing::relative_error(in.run(batch), value), 1e-6);
}

/// Whatever is clicked later changes nothing of what came before it, and something of what comes after.
TEST(Attention, NobodySeesWhatFollows) {
    const Batch batch = batch_of({100});
    Inputs in(batch);
    const Tensor before = in.run(batch);
    for (const std::int64_t changed : {0, 47, 48, 99}) {  // 48: where the second block begins
        Inputs other = in;
        other.qkv = in.qkv.clone();
        other.qkv.select(0, changed).add_(1);
        const Tensor after = other.run(batch);
        EXPECT_TRUE(at::equal(after.narrow(0, 0, changed), before.narrow(0, 0, changed))) << changed;
        EXPECT_FALSE(at::equal(after.select(0, 99), before.select(0, 99))) << changed;
    }
}

TEST(Attention, NobodySeesAnotherSequence) {
    const Batch together = batch_of({30, 70});
    const Inputs in(together);
    const Tensor both = in.run(together);
    std::int64_t begin = 0;
    for (const int length : {30, 70}) {
        Inputs own = in;
        own.qkv = in.qkv.narrow(0, begin, length).clone();
        EXPECT_TRUE(at::equal(own.run(batch_of({length})), both.narrow(0, begin, length))) << length;
        begin += length;
    }
}

/// A bias that only distance 2 can bear: each position reads the one two before it.
TEST(Attention, ABiasIsThatOfADistance) {
    const Batch batch = batch_of({60});
    Inputs in(batch);
    in.qkv.narrow(1, 0, 2 * kDim).zero_();  // all keys look alike
    in.bias.zero_();
    in.relative.fill_(-100).select(1, 2).fill_(0);
    const Tensor y = in.run(batch), value = in.qkv.narrow(1, 2 * kDim, kDim);
    EXPECT_LT(testing::relative_error(y.narrow(0, 2, 58), value.narrow(0, 0, 58)), 1e-6);
}

TEST(Attention, SharesOfOneThatAreDroppedAreMissing) {
    const Batch batch = batch_of(kLengths);
    Inputs in(batch);
    in.qkv.narrow(1, 2 * kDim, kDim).fill_(1);  // then each result is the sum of the shares
    in.bias.zero_();
    const Tensor whole = in.run(batch), dropped = in.run(batch, {5, 0.3f});
    EXPECT_LT(testing::relative_error(whole, at::ones_like(whole)), 1e-6);
    EXPECT_FALSE(at::equal(whole, dropped));
    EXPECT_NEAR(dropped.mean().item<double>(), 1, 0.1);
    EXPECT_TRUE(at::equal(dropped, in.run(batch, {5, 0.3f})));
}

/// Attention is linear in its values, so that with a mask the gradient along the values must give the result
/// back.
TEST(Attention, MasksAreTheSameForwardAndBackward) {
    const Batch batch = batch_of({40, 90});
    Inputs in(batch);
    in.bias.zero_();
    in.qkv.requires_grad_();
    const Tensor y = in.run(batch, {5, 0.3f});
    const Tensor gradient = torch::autograd::grad({y.sum()}, {in.qkv})[0].narrow(1, 2 * kDim, kDim);
    const Tensor value = in.qkv.detach().narrow(1, 2 * kDim, kDim);
    EXPECT_NEAR((gradient * value).sum().item<double>() / y.sum().item<double>(), 1, 1e-4);
}

}  // namespace
}  // namespace seqrec::trainer
