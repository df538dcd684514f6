#include "kinds/vae/vae_network.hpp"

#include <algorithm>
#include <cmath>

#include "core/kinds/vae.hpp"
#include "kinds/shared/normal.hpp"
#include "kinds/vae/additive_attention.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::uint32_t kDecoder = 1000;  // of masks, beyond every layer of the encoder
constexpr double kFirstVariance = -4;     // its logarithm

/// Nearly the identity: what a new network asks for is what its encoder saw, so that items' rows and clicks pull together
/// from the first step on, as they do in a Transformer alone.
Tensor straight(std::int64_t rows, std::int64_t columns, Random& random) {
    return at::eye(rows, columns) + normal({rows, columns}, 0.02, random);
}

}  // namespace

Tensor Posterior::divergence() const { return (mean * mean + log_variance.exp() - 1 - log_variance) * 0.5; }

Tensor Posterior::sample(Random& random) const {
    return mean + (log_variance * 0.5).exp() * normal(mean.sizes(), 1, random);
}

Vae::Vae(const VaeSettings& settings, std::int64_t items, Random& random)
    : encoder(BlockSizes{settings.dim, settings.layers, settings.heads, settings.max_len}, items, random) {
    const std::int64_t dim = settings.dim, latent = settings.latent;
    const auto inverse_root = [](std::int64_t n) { return 1 / std::sqrt(static_cast<double>(n)); };
    mean_weight = straight(latent, dim, random);
    mean_bias = at::zeros({latent});
    variance_weight = normal({latent, dim}, 0.1 * inverse_root(dim), random);
    variance_bias = at::full({latent}, kFirstVariance);
    std::int64_t input = latent;
    if (settings.attention) {
        query_weight = normal({dim, dim}, inverse_root(dim), random);
        query_bias = at::zeros({dim});
        key_weight = normal({dim, dim}, inverse_root(dim), random);
        score = normal({dim}, inverse_root(dim), random);
        input = 2 * latent;
    }
    wide_weight = normal({4 * dim, input}, inverse_root(input), random);
    wide_bias = at::zeros({4 * dim});
    narrow_weight = normal({dim, 4 * dim}, 0.5 * inverse_root(dim), random);
    skip_weight = normal({dim, input}, inverse_root(input), random);
    bias = at::zeros({dim});
}

Vae Vae::of_shape(std::int64_t layers, bool attention) {
    Vae vae;
    vae.encoder.blocks.resize(static_cast<std::size_t>(layers));
    if (attention) vae.score = at::empty({0});
    return vae;
}

void Vae::for_each(const Visit& visit) {
    encoder.for_each([&](const std::string& name, Tensor& tensor) {
        visit(name == "item.embedding" ? name : "network." + name, tensor);
    });
    visit("latent.mean.weight", mean_weight);
    visit("latent.mean.bias", mean_bias);
    visit("latent.variance.weight", variance_weight);
    visit("latent.variance.bias", variance_bias);
    if (attends()) {
        visit("attention.query.weight", query_weight);
        visit("attention.query.bias", query_bias);
        visit("attention.key.weight", key_weight);
        visit("attention.score", score);
    }
    visit("decoder.wide.weight", wide_weight);
    visit("decoder.wide.bias", wide_bias);
    visit("decoder.narrow.weight", narrow_weight);
    visit("decoder.skip.weight", skip_weight);
    visit("decoder.bias", bias);
}

std::vector<Tensor> Vae::tensors() {
    std::vector<Tensor> list;
    for_each([&](const std::string&, Tensor& tensor) { list.push_back(tensor); });
    return list;
}

Posterior Vae::posterior(const Tensor& states, bool bfloat16) const {
    return {product(states, mean_weight, bfloat16) + mean_bias,
            product(states, variance_weight, bfloat16) + variance_bias};
}

/// The latent variables of the position, and gently on top of them what the network makes of all its input.
Tensor Vae::decoded(const Tensor& input, Pass pass) const {
    const Tensor active =
        bias_gelu(product(input, wide_weight, pass.bfloat16), wide_bias, pass.mask(kDecoder));
    const Tensor more = join(product(active, narrow_weight, pass.bfloat16), bias,
                             product(input, skip_weight, pass.bfloat16), {});
    const std::int64_t own = std::min(latent(), dim());
    return at::constant_pad_nd(input.narrow(1, 0, own), {0, dim() - own}) + more * kVaeGain;
}

Tensor Vae::decode(const Tensor& states, const Tensor& latent, const Batch& batch, Pass pass) const {
    if (!attends()) return decoded(latent, pass);
    const Tensor query = product(states, query_weight, pass.bfloat16) + query_bias,
                 key = product(states, key_weight, pass.bfloat16);
    return decoded(at::cat({latent, additive_attention(query, key, score, latent, batch)}, 1), pass);
}

Tensor Vae::answer(const Batch& batch) const {
    const at::NoGradGuard no_gradients;
    Tensor queries = at::zeros({batch->sequences(), dim()});
    if (batch->tokens() == 0) return queries;
    std::vector<std::int64_t> last, asking;
    for (std::int64_t s = 0; s < batch->sequences(); ++s) {
        last.push_back(std::max<std::int64_t>(batch->offsets[s + 1] - 1, 0));
        if (batch->offsets[s + 1] > batch->offsets[s]) asking.push_back(s);
    }
    const Tensor states = encoder.forward(batch, {}), latest = states.index_select(0, index_of(last));
    Tensor input = product(latest, mean_weight) + mean_bias;
    if (attends()) {
        const Tensor query = product(latest, query_weight) + query_bias;
        const Tensor pooled =
            last_additive_attention(query, product(states, key_weight), score, states, *batch);
        input = at::cat({input, product(pooled, mean_weight) + mean_bias}, 1);
    }
    const Tensor rows = index_of(asking);
    queries.index_copy_(0, rows, decoded(input, {}).index_select(0, rows));
    return queries;
}

}  // namespace seqrec::trainer
