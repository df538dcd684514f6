#include "kinds/vae/active_units.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "kinds/shared/batches.hpp"
#include "measure/evaluation.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kActive = 0.01;      // nats
constexpr std::size_t kUsers = 1000;  // enough for a mean

}  // namespace

Tensor mean_divergence(const Vae& network, const Dataset& data) {
    const at::NoGradGuard no_gradients;
    std::vector<std::int64_t> users(static_cast<std::size_t>(data.users()));
    std::iota(users.begin(), users.end(), 0);
    const auto longest = static_cast<std::size_t>(network.encoder.position.size(0));
    Tensor sum = at::zeros({network.latent()}, at::kDouble);
    double positions = 0;
    auto batch = std::make_shared<Packed>();
    const auto add = [&] {
        if (batch->tokens() == 0) return;
        const Tensor states = network.encoder.forward(batch, {});
        sum += network.posterior(states, false).divergence().to(at::kDouble).sum(0);
        positions += static_cast<double>(batch->tokens());
        batch = std::make_shared<Packed>();
    };
    for (const std::int64_t user : thin_out(users, kUsers)) {
        const auto clicks = data.sequence(user);
        batch->append(clicks.last(std::min(clicks.size(), longest)), -1);
        if (batch->tokens() >= kEncodedTokens) add();
    }
    add();
    return sum / std::max(positions, 1.0);
}

std::int64_t active_units(const Tensor& divergence) {
    return (divergence > kActive).sum().item<std::int64_t>();
}

}  // namespace seqrec::trainer
