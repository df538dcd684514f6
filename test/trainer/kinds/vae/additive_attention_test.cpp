// Additive attention over packed sequences: the formula and libtorch's own gradients.
#include "kinds/vae/additive_attention.hpp"

#include "kinds/shared/gradients.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::batch_of;
using testing::kLengths;
using testing::leaf;

constexpr std::int64_t kWidth = 19, kLatent = 5;

/// One sequence as it is written down.
Tensor plain(const Tensor& query, const Tensor& key, const Tensor& score, const Tensor& values) {
    const Tensor scores = at::matmul((query.unsqueeze(1) + key.unsqueeze(0)).tanh(), score);
    const Tensor later = at::ones_like(scores).triu(1) > 0;
    return scores.masked_fill(later, -1e30).softmax(1).matmul(values);
}

Tensor plain(const std::vector<Tensor>& x, const Packed& batch) {
    std::vector<Tensor> parts;
    for (std::int64_t s = 0; s < batch.sequences(); ++s) {
        const auto part = [&](std::size_t i) {
            return x[i].slice(0, batch.offsets[static_cast<std::size_t>(s)],
                              batch.offsets[static_cast<std::size_t>(s) + 1]);
        };
        parts.push_back(plain(part(0), part(1), x[2], part(3)));
    }
    return at::cat(parts);
}

std::vector<Tensor> inputs(const Packed& batch) {
    return {leaf({batch.tokens(), kWidth}, 1), leaf({batch.tokens(), kWidth}, 2), leaf({kWidth}, 3),
            leaf({batch.tokens(), kLatent}, 4)};
}

TEST(AdditiveAttention, IsThatOfTheFormula) {
    const Batch batch = batch_of(kLengths);
    testing::expect_equal(
        inputs(*batch), [&](const auto& x) { return additive_attention(x[0], x[1], x[2], x[3], batch); },
        [&](const auto& x) { return plain(x, *batch); }, 2e-5);
}

TEST(AdditiveAttention, OfOnePositionIsItsValue) {
    const Batch batch = batch_of({1, 1});
    const auto x = inputs(*batch);
    EXPECT_LT(testing::relative_error(additive_attention(x[0], x[1], x[2], x[3], batch), x[3]), 1e-6);
}

TEST(AdditiveAttention, LargeExponentsStayNumbers) {
    const Batch batch = batch_of({4});
    std::vector<Tensor> x = inputs(*batch);
    for (const std::size_t i : {0, 1}) x[i] = (x[i] * 60).detach();
    x[0][1].fill_(-400);
    const Tensor y = additive_attention(x[0], x[1], x[2], x[3], batch);
    EXPECT_LT(testing::relative_error(y[0], x[3][0]), 1e-6);
    EXPECT_TRUE(at::isfinite(y).all().item<bool>());
}

TEST(AdditiveAttention, OfTheLastPositionsIsThatOfAll) {
    const Batch batch = batch_of({3, 70, 1});
    const auto x = inputs(*batch);
    const at::NoGradGuard no_gradients;
    const Tensor last = at::tensor({2L, 72L, 73L}), all = additive_attention(x[0], x[1], x[2], x[3], batch);
    const Tensor ours = last_additive_attention(x[0].index_select(0, last), x[1], x[2], x[3], *batch);
    EXPECT_LT(testing::relative_error(ours, all.index_select(0, last)), 1e-6);
}

}  // namespace
}  // namespace seqrec::trainer
