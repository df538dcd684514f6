// One step: what takes part and how much it counts, the loss of yes and no, and gradients that go back to ids and
// content alike.
#include "kinds/two_tower/step.hpp"

#include <cmath>

#include "core/options.hpp"
#include "kinds/shared/gradients.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::leaf;

Packed packed(std::vector<std::int32_t> items, std::vector<std::int32_t> labels) {
    Packed shard;
    shard.append(items, -1);
    shard.labels = std::move(labels);
    return shard;
}

TEST(StepItems, SampledOnesCountTheInverseOfTheirChance) {
    const testing::Shop shop({{0, 1, 2, 0, 1}, {2, 1, 0, 1, 0, 5}}, 7, testing::with_repeats("keep"));
    const Catalogue catalogue(shop.data, Part::Training);
    EXPECT_EQ(catalogue.warm, (std::vector<std::int32_t>{0, 1, 2}));  // 5 is held out, nobody had the others
    const std::vector<Packed> shards = {packed({0, 1}, {1, 2})};
    Random random(1);
    const StepItems items = sampled_items(catalogue, shards, 4, random);
    EXPECT_EQ(items.rows, (std::vector<std::int32_t>{0, 1, 2}));
    EXPECT_EQ(items.drawn.size(), 4U);
    for (std::size_t i = 0; i < items.rows.size(); ++i) {
        const double share = catalogue.shares[static_cast<std::size_t>(items.rows[i])];
        const double absent =
            std::pow(1 - share, 3) * std::pow(2.0 / 3, 4);  // two clicks, and the last label
        EXPECT_NEAR(items.weights[i], 1 / (1 - absent), 1e-5) << i;
    }
    EXPECT_EQ(all_items(catalogue).rows, catalogue.warm);
    EXPECT_TRUE(all_items(catalogue).weights.empty());
}

TEST(BceLoss, IsThatOfTheDefinition) {
    const std::vector<Tensor> inputs = {leaf({3, 4}, 1), leaf({5, 4}, 2), leaf({1}, 3)};
    const std::vector<std::int32_t> labels = {4, 0, 2}, drawn = {2, 1, 2, 3};
    testing::expect_equal(
        inputs,
        [&](const std::vector<Tensor>& x) { return bce_loss(x[0], x[1], labels, drawn, x[2], 0.5, 2); },
        [&](const std::vector<Tensor>& x) {
            Tensor total = at::zeros({1});
            for (std::size_t t = 0; t < labels.size(); ++t) {
                const auto logit = [&](std::int32_t item) {
                    return (x[0][static_cast<std::int64_t>(t)].dot(x[1][item]) + x[2]) / 0.5;
                };
                total = total + at::softplus(-logit(labels[t]));
                double count = 0;
                Tensor others = at::zeros({1});
                for (const std::int32_t item : drawn)
                    if (item != labels[t]) others = others + at::softplus(logit(item)), ++count;
                total = total + others / count;
            }
            return 2 * total.squeeze();
        });
}

/// The loss of a step of all items, as a function of a weight, by hand.
TEST(Step, GradientsReachIdsAndContent) {
    const testing::Shop shop({{0, 1, 2, 3, 1, 0, 2}, {2, 1, 0, 3, 0, 1}}, 4, testing::with_repeats("keep"));
    const TowerSettings settings(resolve_options("two_tower", {{"dim", 8},
                                                               {"threads", 1},
                                                               {"dropout", 0},
                                                               {"max_len", 10},
                                                               {"precision", "float32"},
                                                               {"temperature", 1}}),
                                 shop.data, nullptr);
    Random random(1);
    at::manual_seed(1);
    const ContentRows content(at::rand({4, 5}));
    const Towers towers(settings, content, 0, random);
    const Tensor residuals = at::randn({4, 8}) * 0.3,
                 keep = at::tensor({1.0f, 0.0f, 1.0f, 1.0f}).unsqueeze(1);
    const StepItems items = all_items(Catalogue(shop.data, Part::Training));
    const UserFeatures features;
    const auto run = [&](TowerOutput* output, ItemPart* part) {
        *part = ItemPart(towers, residuals, keep, content);
        const Tensor table = part->rows();
        *output =
            compute_tower_shard({towers, table, items, features, settings}, packed({0, 1, 2}, {1, 2, 3}), 1);
        return output->loss;
    };
    TowerOutput output, other;
    ItemPart part;
    run(&output, &part);
    std::vector<Tensor> dense;
    const Tensor of_ids = part.backward(output.table, dense);
    EXPECT_EQ(of_ids[1].abs().max().item<float>(), 0) << "its id was left out";
    const auto slope = [&](const Tensor& weight) {
        float& x = weight.data_ptr<float>()[0];
        const float was = x, step = 2e-2f;
        x = was + step;
        const double above = run(&other, &part);
        x = was - step;
        const double below = run(&other, &part);
        x = was;
        return (above - below) / (2 * step);
    };
    EXPECT_NEAR(of_ids[0][0].item<float>(), slope(residuals), 2e-3);
    Towers shared = towers;
    std::size_t at = 0;
    shared.for_each([&](const std::string& name, Tensor& tensor) {
        const std::size_t own = at++;
        if (name != "content.weight" && name != "attention.weight" && name != "query.narrow.weight") return;
        const float ours = (dense[own].flatten()[0] + output.dense[own].flatten()[0]).item<float>();
        EXPECT_NEAR(ours, slope(tensor), 2e-3) << name;
    });
}

}  // namespace
}  // namespace seqrec::trainer
