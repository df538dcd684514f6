// The loss of a step, term by term against plain loops, and its gradients against differences.
#include "kinds/vae/vae_step.hpp"

#include <cmath>

#include "core/options.hpp"
#include "kinds/shared/gradients.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;
using testing::leaf;

Packed packed(const std::vector<std::vector<std::int32_t>>& sequences) {
    Packed shard;
    for (const auto& sequence : sequences) {
        shard.append(std::span(sequence).first(sequence.size() - 1), -1);
        shard.labels.insert(shard.labels.end(), sequence.begin() + 1, sequence.end());
    }
    shard.seed = 7;
    return shard;
}

std::vector<std::int32_t> items_of(const NextItems& next, std::size_t label) {
    return {next.items.begin() + next.offsets[label], next.items.begin() + next.offsets[label + 1]};
}

using Items = std::vector<std::int32_t>;

TEST(NextItems, AreThoseAfterAPositionWithinItsSequence) {
    const NextItems next = next_items(packed({{0, 1, 2, 3}, {4, 5}}), 2);
    EXPECT_EQ(items_of(next, 0), (Items{1, 2}));
    EXPECT_EQ(items_of(next, 1), (Items{2, 3}));
    EXPECT_EQ(items_of(next, 2), (Items{3}));
    EXPECT_EQ(items_of(next, 3), (Items{5}));
    EXPECT_EQ(next.offsets.size(), 5U);
}

TEST(NextItems, EachItemIsThereOnce) {
    EXPECT_EQ(items_of(next_items(packed({{0, 1, 2, 1, 2, 3}}), 5), 0), (Items{1, 2, 3}));
}

/// Positions whose labels an earlier model has learned have none here.
TEST(NextItems, OfTheTrainedPositionsAlone) {
    Packed shard = packed({{0, 1, 2, 3}, {4, 5, 6}});
    shard.trained = {1, 4};
    shard.labels = {2, 6};
    const NextItems next = next_items(shard, 3);
    EXPECT_EQ(items_of(next, 0), (Items{2}));  // what follows the last position is not known
    EXPECT_EQ(items_of(next, 1), (Items{6}));
    shard.trained = {0, 2};
    shard.labels = {1, 3};
    EXPECT_EQ(items_of(next_items(shard, 3), 0), (Items{1, 2, 3}));
}

const NextItems kNext{{0, 2, 3, 6}, {4, 0, 2, 1, 3, 4}};
const std::vector<float> kWeights{1, 2, 1.5f, 3, 1};

bool follows(std::int64_t label, std::int64_t item) {
    const Items items = items_of(kNext, static_cast<std::size_t>(label));
    return std::ranges::find(items, item) != items.end();
}

TEST(Reconstruction, SquaredErrorIsThatOfAllScores) {
    for (const bool weighted : {false, true})
        testing::expect_equal(
            {leaf({3, 4}, 1), leaf({5, 4}, 2)},
            [&](const auto& x) {
                return next_squared_error(x[0], x[1], kNext, weighted ? kWeights : std::vector<float>(), 0.5);
            },
            [&](const auto& x) {
                Tensor total = at::zeros({});
                for (std::int64_t t = 0; t < 3; ++t)
                    for (std::int64_t i = 0; i < 5; ++i) {
                        const Tensor score = x[0][t].dot(x[1][i]);
                        const double weight = weighted ? kWeights[static_cast<std::size_t>(i)] : 1;
                        total = total + score * score * weight;
                        if (follows(t, i)) total = total + 1 - 2 * score;
                    }
                return total * 0.5;
            });
}

TEST(Reconstruction, SoftmaxSharesAmongTheNextItems) {
    testing::expect_equal(
        {leaf({3, 4}, 1), leaf({5, 4}, 2)},
        [&](const auto& x) {
            return next_softmax_loss(unit_rows(x[0]), unit_rows(x[1]), kNext, {}, 5, 0.5, false);
        },
        [&](const auto& x) {
            const Tensor q = x[0] / x[0].norm(2, 1, true), e = x[1] / x[1].norm(2, 1, true);
            const Tensor logs = (5 * q.mm(e.t())).log_softmax(1);
            Tensor total = at::zeros({});
            for (std::int64_t t = 0; t < 3; ++t) {
                const Items items = items_of(kNext, static_cast<std::size_t>(t));
                for (const std::int32_t item : items)
                    total = total - logs[t][item] / static_cast<double>(items.size());
            }
            return total * 0.5;
        });
}

TEST(Divergence, IsThatOfNormalDistributions) {
    const Posterior posterior{at::tensor({0.5f, -1.0f, 0.0f, 2.0f}).reshape({2, 2}),
                              at::tensor({-2.0f, 0.0f, 0.0f, 1.0f}).reshape({2, 2})};
    const Tensor ours = posterior.divergence();
    for (std::int64_t t = 0; t < 2; ++t)
        for (std::int64_t z = 0; z < 2; ++z) {
            const double mean = posterior.mean[t][z].item<double>(),
                         log_variance = posterior.log_variance[t][z].item<double>();
            double sum = 0;  // of q log(q / p), by small steps
            const double deviation = std::exp(log_variance / 2), step = deviation / 200;
            for (double x = mean - 9 * deviation; x < mean + 9 * deviation; x += step) {
                const double from_mean = (x - mean) / deviation;
                const double density =
                    std::exp(-from_mean * from_mean / 2) / (deviation * std::sqrt(2 * M_PI));
                sum += density * (-from_mean * from_mean / 2 - log_variance / 2 + x * x / 2) * step;
            }
            EXPECT_NEAR(ours[t][z].item<double>(), sum, 1e-4);
        }
}

TEST(Divergence, BelowItsFloorCostsNoLess) {
    const Tensor divergence =
        at::tensor({0.4f, 0.001f, 0.0f, 0.6f, 0.003f, 0.3f}).reshape({2, 3}).requires_grad_();
    const Tensor cost = floored_divergence(divergence, 0.1);
    EXPECT_NEAR(cost.item<double>(), 0.5 + 0.1 + 0.15, 1e-6);
    const Tensor gradient = torch::autograd::grad({cost}, {divergence})[0];
    EXPECT_EQ(gradient[0][0].item<float>(), 0.5f);
    EXPECT_EQ(gradient[0][1].item<float>(), 0.0f);  // silencing it wins nothing
    EXPECT_EQ(gradient[1][2].item<float>(), 0.5f);
}

TEST(Posterior, SamplesHaveItsMeanAndDeviation) {
    const Posterior posterior{at::full({20000, 2}, 3.0), at::full({20000, 2}, std::log(0.25))};
    Random random(5), again(5);
    const Tensor sample = posterior.sample(random);
    EXPECT_NEAR(sample.mean().item<double>(), 3, 0.02);
    EXPECT_NEAR(sample.std().item<double>(), 0.5, 0.02);
    EXPECT_TRUE(at::equal(sample, posterior.sample(again)));
}

VaeSettings settings_of(const Dataset& data, const json& given) {
    json options = {{"dim", 8},      {"latent", 4},           {"layers", 1},  {"heads", 2},
                    {"max_len", 10}, {"temperature", 0.5},    {"dropout", 0}, {"threads", 1},
                    {"beta", 0.5},   {"precision", "float32"}};
    options.update(given);
    return {resolve_options("vae", options), data, nullptr};
}

struct SmallStep {
    testing::Shop shop{{{0, 1, 2, 3, 1, 0, 2}, {2, 1, 0, 3, 0, 1}}, 5, testing::with_repeats("keep")};
    VaeSettings settings;
    Random random{1};
    Vae model;
    StepItems sample;

    explicit SmallStep(const json& given)
        : settings(settings_of(shop.data, given)), model(settings, 5, random) {
        model.encoder.item = model.encoder.item * 20;
        if (settings.sampled_items > 0) {
            sample.rows = {0, 1, 2, 3};
            sample.weights = {1, 1.5f, 2, 1};
        }
    }
    VaeOutput run(const Vae& of) const {
        const VaeInput input{of, settings.sampled_items > 0 ? &sample : nullptr, settings, settings.beta};
        return compute_vae_shard(input, packed({{0, 1, 2, 3, 1}, {2, 1, 0}}), 0.25);
    }
};

/// The gradient of every tensor along a random direction, against the difference of two losses.
void expect_gradients(const json& given) {
    const SmallStep step(given);
    const VaeOutput output = step.run(step.model);
    Vae model = step.model;
    std::vector<std::pair<std::string, Tensor>> tensors;
    model.for_each([&](const std::string& name, Tensor& tensor) { tensors.emplace_back(name, tensor); });
    ASSERT_EQ(output.dense.size(), tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const auto& [name, tensor] = tensors[i];
        at::manual_seed(static_cast<std::int64_t>(i));
        const Tensor along = at::randn(tensor.sizes()), before = tensor.clone();
        Tensor gradient = output.dense[i];
        if (!gradient.defined())
            gradient = at::cat({output.items, at::zeros({1, 8})});  // the item that is not in the sample
        constexpr double kStep = 2e-3;
        tensor.copy_(before + kStep * along);
        const double more = step.run(model).loss;
        tensor.copy_(before - kStep * along);
        const double less = step.run(model).loss;
        tensor.copy_(before);
        const double numeric = (more - less) / (2 * kStep), ours = (gradient * along).sum().item<double>();
        EXPECT_NEAR(ours, numeric, 2e-3 + 0.02 * std::abs(numeric)) << name << " " << given;
    }
}

TEST(VaeStep, GradientsAreThoseOfTheLoss) {
    expect_gradients(json::object());
    expect_gradients({{"attention", false}});
    expect_gradients({{"next_items", 3}, {"free_bits", 0.3}});
    expect_gradients({{"loss", "mse"}});
    expect_gradients({{"sampled_items", 2}});
    expect_gradients({{"sampled_items", 2}, {"loss", "mse"}});
}

TEST(VaeStep, TheLossIsReconstructionAndDivergence) {
    const SmallStep step(json{{"beta", 0.25}, {"free_bits", 0}});
    const VaeOutput output = step.run(step.model);
    EXPECT_EQ(output.positions, 6);
    const double divergence = output.divergence.sum().item<double>() / 6;
    EXPECT_NEAR(output.loss, output.reconstruction + 0.25 * divergence * 6 * 0.25, 1e-5);
    EXPECT_GT(divergence, 1);
}

TEST(VaeStep, TheSameSeedTellsTheSame) {
    const SmallStep step(json{{"dropout", 0.3}});
    EXPECT_EQ(step.run(step.model).loss, step.run(step.model).loss);
}

}  // namespace
}  // namespace seqrec::trainer
