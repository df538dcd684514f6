// Every hand-written operation against libtorch's own, values and gradients.
#include "kinds/shared/ops.hpp"

#include "kinds/shared/gradients.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::batch_of;
using testing::expect_equal;
using testing::index;
using testing::kLengths;
using testing::leaf;

TEST(Ops, Product) {
    expect_equal(
        {leaf({37, 24}, 1), leaf({40, 24}, 2)}, [](const auto& x) { return product(x[0], x[1]); },
        [](const auto& x) { return x[0].mm(x[1].t()); });
}

TEST(Ops, Bfloat16Product) {
    if (!kernels::table().bfloat16) GTEST_SKIP() << "no bfloat16 products on this CPU";
    for (const auto& [rows, from, to] : {std::array{37, 24, 40}, {130, 600, 70}, {1, 7, 33}})
        expect_equal(
            {leaf({rows, from}, 1), leaf({to, from}, 2)},
            [](const auto& x) { return product(x[0], x[1], true); },
            [](const auto& x) { return x[0].mm(x[1].t()); }, 6e-3);
}

TEST(Ops, DeepProduct) {
    expect_equal(
        {leaf({130, 600}, 1), leaf({70, 600}, 2)}, [](const auto& x) { return product(x[0], x[1]); },
        [](const auto& x) { return x[0].mm(x[1].t()); });
}

TEST(Ops, Norm) {
    expect_equal(
        {leaf({37, 24}, 1), leaf({24}, 2), leaf({24}, 3)},
        [](const auto& x) { return norm(x[0], x[1], x[2]); },
        [](const auto& x) { return at::layer_norm(x[0], {24}, x[1], x[2]); });
}

TEST(Ops, BiasGelu) {
    expect_equal(
        {leaf({37, 40}, 1), leaf({40}, 2)}, [](const auto& x) { return bias_gelu(x[0].clone(), x[1], {}); },
        [](const auto& x) { return at::gelu(x[0] + x[1], "tanh"); });
}

TEST(Ops, UnitRows) {
    expect_equal(
        {leaf({37, 24}, 1)}, [](const auto& x) { return unit_rows(x[0]); },
        [](const auto& x) { return x[0] / x[0].norm(2, 1, true); });
}

TEST(Ops, Embed) {
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

TEST(Ops, AddRows) {
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

TEST(Ops, NumbersOfEmbed) {
    auto batch = std::make_shared<Packed>();
    batch->append(std::vector<std::int32_t>{1, 0}, 0);
    batch->append(std::vector<std::int32_t>{1}, 1);
    const Tensor items = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).reshape({2, 2});
    const Tensor positions = at::tensor({0.5f, 0.25f, -1.0f, -2.0f}).reshape({2, 2});
    // the first click of each sequence stands at position 0
    EXPECT_TRUE(at::equal(embed(items, positions, batch, 2, {}),
                          at::tensor({6.5f, 8.25f, 1.0f, 2.0f, 6.5f, 8.25f}).reshape({3, 2})));
}

TEST(Ops, NormOfNumbersAroundTheirMean) {
    const Tensor x = at::tensor({1.0f, 3.0f, 5.0f, 5.0f}).reshape({2, 2});
    const Tensor y = norm(x, at::tensor({2.0f, 2.0f}), at::tensor({0.0f, 10.0f}));
    EXPECT_NEAR(y.data_ptr<float>()[0], -2, 1e-4);
    EXPECT_NEAR(y.data_ptr<float>()[1], 12, 1e-4);
    EXPECT_EQ(y.data_ptr<float>()[2], 0);  // a row of equal numbers has no deviation to be divided by
    EXPECT_EQ(y.data_ptr<float>()[3], 10);
}

TEST(Ops, ARowWithoutLengthStaysZeroAndHasAFiniteGradient) {
    const Tensor x = at::zeros({2, 8}).requires_grad_();
    const Tensor y = unit_rows(x);
    EXPECT_EQ(y.abs().sum().item<float>(), 0);
    EXPECT_TRUE(torch::autograd::grad({y.sum()}, {x})[0].isfinite().all().item<bool>());
}

TEST(Ops, SequencesWithoutARowStayAsTheyAre) {
    const Batch batch = batch_of({2, 3});
    const Tensor hidden = leaf({5, 8}, 1).detach(), rows = leaf({1, 8}, 2).detach();
    const Tensor y = add_rows(hidden, rows, batch, {-1, 0});
    EXPECT_TRUE(at::equal(y.narrow(0, 0, 2), hidden.narrow(0, 0, 2)));
    EXPECT_TRUE(at::equal(y.narrow(0, 2, 3), hidden.narrow(0, 2, 3) + rows));
}

/// What a layer drops forward it drops backward: each gradient is the factor that its own value had.
void expect_one_mask(const std::function<Tensor(const Tensor&)>& layer, const Tensor& plain) {
    const Tensor x = at::ones(plain.sizes()).requires_grad_();
    const Tensor y = layer(x);
    const Tensor gradient = torch::autograd::grad({y.sum()}, {x})[0];
    EXPECT_TRUE(at::equal(y == 0, gradient == 0));
    const double left = (y != 0).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(left, 0.75, 0.02);
    EXPECT_LT(testing::relative_error(y.masked_select(y != 0), plain.masked_select(y != 0) / 0.75), 1e-5);
}

TEST(Ops, MasksAreTheSameForwardAndBackward) {
    const kernels::Mask mask{11, 0.25f};
    const Tensor zeros = at::zeros({64});
    expect_one_mask([&](const Tensor& x) { return bias_gelu(x.clone(), zeros, mask); },
                    at::gelu(at::ones({150, 64}), "tanh"));
    expect_one_mask(
        [&](const Tensor& x) {
            return join(x, zeros, at::zeros({150, 64}), mask);
        },
        at::ones({150, 64}));
}

TEST(Ops, AResidualIsNeverDropped) {
    const Tensor x = at::zeros({50, 16}), residual = leaf({50, 16}, 1);
    const Tensor y = join(x, at::zeros({16}), residual, {3, 0.5f});
    EXPECT_TRUE(at::equal(y, residual));
    EXPECT_TRUE(at::equal(torch::autograd::grad({y.sum()}, {residual})[0], at::ones({50, 16})));
}

TEST(Ops, EachLayerAndEachSeedDropsItsOwn) {
    const auto dropped = [](kernels::Mask mask) {
        return join(at::ones({40, 64}), at::zeros({64}), at::zeros({40, 64}), mask) == 0;
    };
    const Pass pass{0.5f, 7, false}, other{0.5f, 8, false};
    EXPECT_TRUE(at::equal(dropped(pass.mask(1)), dropped(pass.mask(1))));
    for (const kernels::Mask& mask : {pass.mask(2), other.mask(1)}) {
        const double same = (dropped(pass.mask(1)) == dropped(mask)).to(at::kDouble).mean().item<double>();
        EXPECT_NEAR(same, 0.5, 0.05);  // as two coins agree
    }
}

}  // namespace
}  // namespace seqrec::trainer
