// The softmax loss: numbers written out, a plain formula in double precision, and what a sample stands for.
#include "kinds/shared/loss.hpp"

#include <cmath>

#include "kinds/shared/gradients.hpp"
#include "kinds/shared/ops.hpp"
#include "kinds/shared/plain_ops.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::expect_equal;
using testing::index;
using testing::leaf;

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

TEST(Loss, SoftmaxLoss) {
    expect_softmax_loss(150, 1000, 20);
    expect_softmax_loss(97, 61, 20);
    expect_softmax_loss(1, 2, 20);
    expect_softmax_loss(40, 20000, 20);
    expect_softmax_loss(150, 1000, 20, true);
    expect_softmax_loss(100, 500,
                        200);  // a scale whose exponentials need each row's own largest logit
}

TEST(Loss, Bfloat16SoftmaxLoss) {
    if (!kernels::table().bfloat16) GTEST_SKIP() << "no bfloat16 products on this CPU";
    expect_softmax_loss(150, 1000, 20, false, true);
    expect_softmax_loss(97, 61, 20, false, true);
    expect_softmax_loss(1, 2, 20, false, true);
    expect_softmax_loss(150, 1000, 20, true, true);
    expect_softmax_loss(100, 500, 60, false, true);
}

Tensor matrix(std::vector<float> values, std::int64_t columns) {
    return at::tensor(values).reshape({-1, columns});
}

/// Logits 2 and 0: -log of the share of the first.
TEST(Loss, NumbersOfTwoItems) {
    const Tensor hidden = matrix({1, 0}, 2).requires_grad_(),
                 items = matrix({1, 0, 0, 1}, 2).requires_grad_();
    const Tensor loss = softmax_loss(hidden, items, {0}, {}, 2, 1);
    EXPECT_NEAR(loss.item<double>(), 0.126928, 1e-5);
    const auto gradients = torch::autograd::grad({loss}, {hidden, items});
    // the other item's share, 0.119203, times the scale
    EXPECT_LT(testing::relative_error(gradients[0], matrix({-0.238406f, 0.238406f}, 2)), 1e-5);
    EXPECT_LT(testing::relative_error(gradients[1], matrix({-0.238406f, 0, 0.238406f, 0}, 2)), 1e-5);
}

/// The second item stands for three; the label counts 1 whatever its weight.
TEST(Loss, NumbersOfASample) {
    const Tensor hidden = matrix({1, 0}, 2), items = matrix({1, 0, 0, 1}, 2);
    for (const float own : {1.0f, 5.0f})
        EXPECT_NEAR(softmax_loss(hidden, items, {0}, {own, 3}, 2, 1).item<double>(), 0.340756, 1e-5);
}

TEST(Loss, OfEqualItemsIsTheLogarithmOfTheirNumber) {
    const Tensor one = matrix({0.6f, 0.8f}, 2);
    for (const std::int64_t items : {2, 95, 96, 97, 1000})
        for (const double scale : {1.0, 20.0, 100.0})
            EXPECT_NEAR(
                softmax_loss(one, one.expand({items, 2}).contiguous(), {0}, {}, scale, 1).item<double>(),
                std::log(static_cast<double>(items)), 1e-4)
                << items << " items at scale " << scale;
}

/// The whole definition in double precision, with the gradients of both sides.
struct PlainLoss {
    double loss = 0;
    Tensor hidden, items;

    PlainLoss(const Tensor& h, const Tensor& w, const std::vector<std::int32_t>& labels,
              const std::vector<float>& weights, double scale, double factor)
        : hidden(at::zeros_like(h, at::kDouble)), items(at::zeros_like(w, at::kDouble)) {
        const std::int64_t dim = h.size(1), count = w.size(0);
        const auto at = [&](const Tensor& m, std::int64_t r, std::int64_t d) {
            return m.data_ptr<float>()[r * dim + d];
        };
        for (std::int64_t t = 0; t < h.size(0); ++t) {
            const std::int32_t label = labels[static_cast<std::size_t>(t)];
            std::vector<double> shares(static_cast<std::size_t>(count));
            double sum = 0, own = 0;
            for (std::int64_t i = 0; i < count; ++i) {
                double logit = 0;
                for (std::int64_t d = 0; d < dim; ++d) logit += scale * at(h, t, d) * at(w, i, d);
                if (i == label) own = logit;
                const double weight =
                    weights.empty() || i == label ? 1 : weights[static_cast<std::size_t>(i)];
                sum += shares[static_cast<std::size_t>(i)] = weight * std::exp(logit);
            }
            loss += factor * (std::log(sum) - own);
            for (std::int64_t i = 0; i < count; ++i) {
                const double along =
                    factor * scale * (shares[static_cast<std::size_t>(i)] / sum - (i == label ? 1 : 0));
                for (std::int64_t d = 0; d < dim; ++d) {
                    hidden.data_ptr<double>()[t * dim + d] += along * at(w, i, d);
                    items.data_ptr<double>()[i * dim + d] += along * at(h, t, d);
                }
            }
        }
    }
};

/// Floats against doubles: a share of nearly 1 leaves little of the gradient but rounding.
void expect_near(const Tensor& ours, const Tensor& plain) {
    EXPECT_LT((ours.to(at::kDouble) - plain).norm().item<double>(), 1e-5 * (1 + plain.norm().item<double>()));
}

TEST(Loss, IsThePlainFormulaWithBothGradients) {
    Random random(9);
    for (const auto& [tokens, items, dim] : {std::array{1, 2, 3}, {33, 97, 8}, {130, 400, 17}, {40, 5000, 4}})
        for (const bool sampled : {false, true}) {
            const Tensor hidden = unit_rows(leaf({tokens, dim}, 1).detach()).requires_grad_();
            const Tensor rows = unit_rows(leaf({items, dim}, 2).detach()).requires_grad_();
            std::vector<std::int32_t> labels;
            for (int t = 0; t < tokens; ++t)
                labels.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(items))));
            std::vector<float> weights;
            for (int i = 0; sampled && i < items; ++i)
                weights.push_back(static_cast<float>(1 + 30 * random.uniform()));
            const PlainLoss plain(hidden, rows, labels, weights, 12, 0.5);
            const Tensor loss = softmax_loss(hidden, rows, labels, weights, 12, 0.5);
            const auto gradients = torch::autograd::grad({loss}, {hidden, rows});
            SCOPED_TRACE(std::to_string(tokens) + " positions, " + std::to_string(items) + " items");
            EXPECT_NEAR(loss.item<double>(), plain.loss, 1e-5 * (1 + plain.loss));
            expect_near(gradients[0], plain.hidden);
            expect_near(gradients[1], plain.items);
        }
}

/// Soft labels are the weighted mean of the losses of their items, in both precisions and beside counts.
TEST(Loss, OfSoftLabelsIsTheMeanOfTheirItems) {
    Random random(5);
    constexpr std::int64_t kTokens = 130, kItems = 200, kEach = 3;
    const Tensor hidden = unit_rows(leaf({kTokens, 16}, 1).detach()).requires_grad_();
    const Tensor items = unit_rows(leaf({kItems, 16}, 2).detach()).requires_grad_();
    std::vector<std::vector<std::int32_t>> columns(1 + kEach);
    std::vector<std::vector<float>> counts(1 + kEach);
    SoftLabels soft{.each = kEach};
    for (std::int64_t t = 0; t < kTokens; ++t) {
        const float each = t % 2 ? 0 : 0.25f;  // nothing is said of some
        for (auto& column : columns) column.push_back(static_cast<std::int32_t>(random.below(kItems)));
        const auto weight = static_cast<float>(t % 3);
        counts[0].push_back(weight * (1 - each * kEach));
        for (std::size_t i = 1; i <= kEach; ++i) {
            counts[i].push_back(weight * each);
            soft.items.push_back(columns[i].back());
            soft.shares.push_back(each);
        }
    }
    std::vector<float> weights;
    for (std::int64_t t = 0; t < kTokens; ++t) weights.push_back(static_cast<float>(t % 3));
    Tensor wanted = at::zeros({}, at::kDouble);
    for (std::size_t i = 0; i <= kEach; ++i)
        wanted = wanted + softmax_loss(hidden, items, columns[i], {}, 12, 0.5, false, counts[i]);
    const auto slopes = torch::autograd::grad({wanted}, {hidden, items});
    for (const bool bfloat16 : {false, true}) {
        if (bfloat16 && !kernels::table().bfloat16) continue;
        const Tensor loss = softmax_loss(hidden, items, columns[0], {}, 12, 0.5, bfloat16, weights, soft);
        const auto gradients = torch::autograd::grad({loss}, {hidden, items});
        const double near = bfloat16 ? 2e-2 : 1e-5;
        EXPECT_NEAR(loss.item<double>(), wanted.item<double>(), near * wanted.item<double>());
        EXPECT_LT(testing::relative_error(gradients[0], slopes[0]), near);
        EXPECT_LT(testing::relative_error(gradients[1], slopes[1]), near);
        const Tensor plain = plain::softmax_loss(hidden, items, columns[0], {}, 12, 0.5, weights, soft);
        EXPECT_NEAR(plain.item<double>(), wanted.item<double>(), 1e-4 * wanted.item<double>());
    }
}

/// Bengio and Senecal: with weights of 1 / probability the sum over a sample has the sum over all items as
/// its mean.
TEST(Loss, OfASampleEstimatesTheSumWithoutBias) {
    constexpr std::int64_t kItems = 30;
    const Tensor hidden = unit_rows(leaf({1, 8}, 1).detach()),
                 items = unit_rows(leaf({kItems, 8}, 2).detach());
    const std::int32_t label = 4;
    const auto sum_of = [&](const Tensor& rows, std::int32_t place, const std::vector<float>& weights) {
        return std::exp(softmax_loss(hidden, rows, {place}, weights, 3, 1).item<double>());  // of sum / own
    };
    const double all = sum_of(items, label, {});
    Random random(3);
    double total = 0, unweighted = 0;
    constexpr int kDraws = 4000;
    for (int draw = 0; draw < kDraws; ++draw) {
        std::vector<std::int32_t> rows{label};
        std::vector<float> weights{7};  // of the label: must not matter
        for (std::int32_t i = 0; i < kItems; ++i) {
            const double probability = i % 2 == 0 ? 0.2 : 0.7;
            if (i == label || random.uniform() >= probability) continue;
            rows.push_back(i);
            weights.push_back(static_cast<float>(1 / probability));
        }
        const Tensor sample = items.index_select(0, index(rows));
        total += sum_of(sample, 0, weights);
        unweighted += sum_of(sample, 0, {});
    }
    EXPECT_NEAR(total / kDraws / all, 1, 0.03);
    EXPECT_LT(unweighted / kDraws / all, 0.7);
}

TEST(Loss, GradientsScaleWithWhatTheyAreMultipliedWith) {
    const Tensor hidden = unit_rows(leaf({5, 8}, 1).detach()).requires_grad_(),
                 items = unit_rows(leaf({9, 8}, 2).detach());
    const std::vector<std::int32_t> labels{0, 1, 2, 3, 4};
    const auto gradient = [&](double factor, double times) {
        return torch::autograd::grad({softmax_loss(hidden, items, labels, {}, 5, factor) * times},
                                     {hidden})[0];
    };
    EXPECT_LT(testing::relative_error(gradient(1, 3), 3 * gradient(1, 1)), 1e-6);
    EXPECT_LT(testing::relative_error(gradient(0.25, 1), gradient(1, 0.25)), 1e-6);
}

TEST(Loss, ALabelCountsWhatItIsSaidToCount) {
    const Tensor hidden = unit_rows(leaf({3, 16}, 1)), items = unit_rows(leaf({9, 16}, 2));
    const std::vector<std::int32_t> labels{3, 0, 8};
    double apart = 0;
    const std::vector<float> counts{1, 0.5F, 3};
    for (std::int64_t t = 0; t < 3; ++t)
        apart += static_cast<double>(counts[static_cast<std::size_t>(t)]) *
                 softmax_loss(hidden.narrow(0, t, 1).contiguous(), items,
                              {labels[static_cast<std::size_t>(t)]}, {}, 20, 1)
                     .item<double>();
    EXPECT_NEAR(softmax_loss(hidden, items, labels, {}, 20, 1, false, counts).item<double>(), apart, 1e-4);
    EXPECT_EQ(softmax_loss(hidden, items, labels, {}, 20, 1, false, {1, 1, 1}).item<double>(),
              softmax_loss(hidden, items, labels, {}, 20, 1).item<double>())
        << "to the last bit";
}

}  // namespace
}  // namespace seqrec::trainer
