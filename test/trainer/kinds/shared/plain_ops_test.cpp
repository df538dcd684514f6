// What other devices than the CPU compute, here on the CPU.
#include "kinds/shared/plain_ops.hpp"

#include "kinds/shared/gradients.hpp"
#include "kinds/shared/loss.hpp"
#include "kinds/shared/ops.hpp"

namespace seqrec::trainer {
namespace {

using testing::batch_of;
using testing::expect_equal;
using testing::kLengths;
using testing::leaf;

TEST(PlainOps, PlainOperationsEqualTheKernels) {
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
        for (const std::vector<float>& counts : {std::vector<float>(), std::vector<float>{1, 0.25f, 3}})
            expect_equal(
                {leaf({3, 16}, 1), leaf({9, 16}, 2)},
                [&](const auto& x) {
                    return softmax_loss(unit_rows(x[0]), unit_rows(x[1]), labels, weights, 20, 0.5, false,
                                        counts);
                },
                [&](const auto& x) {
                    return plain::softmax_loss(plain::unit_rows(x[0]), plain::unit_rows(x[1]), labels,
                                               weights, 20, 0.5, counts);
                });
}

}  // namespace
}  // namespace seqrec::trainer
