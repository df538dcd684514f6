// Tokens made of several tables' rows, against libtorch's own arithmetic.
#include "kinds/shared/gather.hpp"

#include "kinds/shared/gradients.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

std::shared_ptr<const Terms> some_terms() {
    Terms terms;
    terms.add(0, 2, 1.5f);
    terms.add(1, 0, 1);
    terms.end_token();
    terms.add(1, 1, -2);
    terms.end_token();
    terms.end_token();  // nothing
    terms.add(0, 2, 1);
    terms.add(0, 2, 0.5f);
    terms.end_token();
    return std::make_shared<const Terms>(terms);
}

TEST(Gather, AddsRowsOfItsTables) {
    const auto terms = some_terms();
    testing::expect_equal(
        {testing::leaf({3, 8}, 1), testing::leaf({2, 8}, 2)},
        [&](const std::vector<Tensor>& in) {
            return gather(in, terms, {0, 0});
        },
        [](const std::vector<Tensor>& in) {
            return at::stack({1.5 * in[0][2] + in[1][0], -2 * in[1][1], at::zeros({8}), 1.5 * in[0][2]});
        });
}

TEST(Gather, WhatIsDroppedHasNoGradient) {
    const auto terms = some_terms();
    const Tensor table = testing::leaf({3, 8}, 1), other = testing::leaf({2, 8}, 2);
    const Tensor made = gather({table, other}, terms, {7, 0.5f});
    const Tensor whole = gather({table, other}, terms, {7, 0});
    const Tensor kept = made.detach().ne(0).to(at::kFloat);
    EXPECT_GT(kept.sum().item<float>(), 4);
    EXPECT_LT(kept.sum().item<float>(), 20);
    EXPECT_LT(testing::relative_error(made, 2 * whole * kept), 1e-6);
    const Tensor gradient = torch::autograd::grad({made.sum()}, {table})[0];
    EXPECT_LT(testing::relative_error(gradient[2], 2 * (1.5 * kept[0] + 1.5 * kept[3])), 1e-6);
}

TEST(Gather, AFrozenTableHasNoGradient) {
    const auto terms = some_terms();
    const Tensor table = testing::leaf({3, 8}, 1), frozen = testing::leaf({2, 8}, 2).detach();
    const Tensor made = gather({table, frozen}, terms, {0, 0});
    EXPECT_TRUE(torch::autograd::grad({made.sum()}, {table})[0].defined());
}

}  // namespace
}  // namespace seqrec::trainer
