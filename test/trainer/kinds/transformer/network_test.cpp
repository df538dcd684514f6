// The network: its names and shapes, what begins where, and that nothing ahead of a position reaches it.
#include "kinds/transformer/network.hpp"

#include <cmath>
#include <map>

#include "kinds/shared/gradients.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::batch_of;

constexpr std::int64_t kNetworkItems = 11;

Settings settings(const nlohmann::json& options) {
    const testing::Shop shop({{0, 1}}, 2);
    return Settings(testing::small_options(options), shop.data, nullptr);
}

Transformer network_of(const nlohmann::json& options, std::uint64_t seed = 1) {
    Random random(seed);
    return Transformer(settings(options), kNetworkItems, random);
}

TEST(Network, NamesAndShapes) {
    Transformer network = network_of({{"dim", 16}, {"layers", 2}, {"heads", 2}, {"max_len", 30}});
    std::map<std::string, std::vector<std::int64_t>> shapes;
    network.for_each([&](const std::string& name, Tensor& tensor) { shapes[name] = tensor.sizes().vec(); });
    EXPECT_EQ(shapes.size(), 4U + 2 * 13);
    using Shape = std::vector<std::int64_t>;
    EXPECT_EQ(shapes.at("item.embedding"), (Shape{kNetworkItems, 16}));
    EXPECT_EQ(shapes.at("position.embedding"), (Shape{30, 16}));
    EXPECT_EQ(shapes.at("norm.weight"), (Shape{16}));
    EXPECT_EQ(shapes.at("block.0.qkv.weight"), (Shape{48, 16}));
    EXPECT_EQ(shapes.at("block.1.relative"), (Shape{2, 30}));
    EXPECT_EQ(shapes.at("block.1.wide.weight"), (Shape{64, 16}));
    EXPECT_EQ(shapes.at("block.1.narrow.weight"), (Shape{16, 64}));
    EXPECT_TRUE(network.tensors()[0].is_same(network.item));
}

TEST(Network, FreshWeightsHaveTheDeviationsOfTheirWidths) {
    Transformer network = network_of({{"dim", 256}, {"layers", 2}, {"max_len", 50}});
    std::map<std::string, Tensor> at;
    network.for_each([&](const std::string& name, Tensor& tensor) { at[name] = tensor; });
    const auto deviation = [&](const char* name) {
        return at.at(name).square().mean().sqrt().item<double>();
    };
    EXPECT_NEAR(deviation("item.embedding"), 0.02, 0.002);
    EXPECT_NEAR(deviation("position.embedding"), 0.02, 0.002);
    EXPECT_NEAR(deviation("block.0.qkv.weight"), 1 / 16.0, 0.002);
    EXPECT_NEAR(deviation("block.1.out.weight"), 1 / 32.0,
                0.001);  // smaller by the square root of twice the layers
    EXPECT_NEAR(deviation("block.1.narrow.weight"), 1 / 64.0, 0.001);
    for (const char* name : {"block.0.qkv.bias", "block.0.relative", "norm.bias"})
        EXPECT_EQ(deviation(name), 0) << name;
    EXPECT_TRUE(at::equal(at.at("norm.weight"), at::ones({256})));
}

TEST(Network, IsThatOfItsSeed) {
    EXPECT_TRUE(at::equal(network_of({}, 1).item, network_of({}, 1).item));
    EXPECT_FALSE(at::equal(network_of({}, 1).item, network_of({}, 2).item));
}

/// Weights large enough that every part of the network shows in what comes out.
Transformer loud_network(const nlohmann::json& options) {
    Transformer network = network_of(options);
    std::int64_t seed = 1;
    network.for_each([&](const std::string&, Tensor& tensor) {
        tensor = tensor + 0.3 * testing::leaf(tensor.sizes().vec(), seed++).detach();
    });
    return network;
}

const nlohmann::json kOptions = {{"dim", 16}, {"layers", 2}, {"heads", 2}, {"max_len", 120}};

TEST(Network, APositionKnowsItsPastAndNothingElse) {
    const Transformer network = loud_network(kOptions);
    const Batch batch = batch_of({20, 60});
    const Tensor before = network.forward(batch, {});
    auto changed = std::make_shared<Packed>(*batch);
    changed->items[50] = (changed->items[50] + 1) % kNetworkItems;  // in the second sequence
    const Tensor after = network.forward(changed, {});
    EXPECT_TRUE(at::equal(after.narrow(0, 0, 50), before.narrow(0, 0, 50)));
    for (std::int64_t t = 50; t < 80; ++t)
        EXPECT_FALSE(at::equal(after.select(0, t), before.select(0, t))) << t;
}

TEST(Network, ASequenceIsTheSameInAnyCompany) {
    const Transformer network = loud_network(kOptions);
    const Batch batch = batch_of({20, 60, 5});
    auto alone = std::make_shared<Packed>();
    alone->append(std::span(batch->items).subspan(20, 60), 0);
    EXPECT_LT(
        testing::relative_error(network.forward(alone, {}), network.forward(batch, {}).narrow(0, 20, 60)),
        1e-6);
}

TEST(Network, EveryWeightHasAShareInTheResult) {
    Transformer network = loud_network(kOptions);
    const Batch batch = batch_of({40});
    for (Tensor& tensor : network.tensors()) tensor.requires_grad_();
    const Tensor hidden = network.forward(batch, {});
    const Tensor loss = (hidden * testing::leaf(hidden.sizes().vec(), 9).detach()).sum();
    std::vector<std::string> names;
    network.for_each([&](const std::string& name, Tensor&) { names.push_back(name); });
    const auto gradients = torch::autograd::grad({loss}, network.tensors());
    for (std::size_t i = 0; i < gradients.size(); ++i)
        EXPECT_GT(gradients[i].norm().item<double>(), 1e-4) << names[i];
}

/// The whole chain of hand-written backward passes, along one direction of each tensor, against a difference.
TEST(Network, GradientsAreSlopes) {
    const Transformer network = loud_network(kOptions);
    const Batch batch = batch_of({7, 3});
    const Tensor along = testing::leaf({10, 16}, 9).detach();
    Transformer leaves = network;
    leaves.for_each(
        [](const std::string&, Tensor& tensor) { tensor = tensor.detach().clone().requires_grad_(); });
    const auto gradients =
        torch::autograd::grad({(leaves.forward(batch, {}) * along).sum()}, leaves.tensors());
    std::size_t at = 0;
    Transformer shifted = network;
    shifted.for_each([&](const std::string& name, Tensor& tensor) {
        const Tensor whole = tensor, direction = gradients[at] / gradients[at].norm();
        const auto value = [&](double step) {
            tensor = (whole + step * direction).contiguous();
            return (shifted.forward(batch, {}) * along).to(at::kDouble).sum().item<double>();
        };
        const double slope = (value(2e-3) - value(-2e-3)) / 4e-3;
        EXPECT_NEAR(slope / gradients[at].norm().item<double>(), 1, 0.02) << name;
        tensor = whole;
        ++at;
    });
}

TEST(Network, DropoutIsThatOfTheSeed) {
    const Transformer network = loud_network(kOptions);
    const Batch batch = batch_of({30});
    const auto pass = [&](float rate, std::uint32_t seed) {
        return network.forward(batch, {rate, seed, false});
    };
    EXPECT_TRUE(at::equal(pass(0, 1), pass(0, 2)));
    EXPECT_TRUE(at::equal(pass(0.2f, 1), pass(0.2f, 1)));
    EXPECT_FALSE(at::equal(pass(0.2f, 1), pass(0.2f, 2)));
    EXPECT_FALSE(at::equal(pass(0.2f, 1), pass(0, 1)));
}

}  // namespace
}  // namespace seqrec::trainer
