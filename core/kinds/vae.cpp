// Kind `vae`: options, what is read from the file, and the forward pass: the same as trainer/kinds/vae/vae_network.cpp
// for the last position, with means where the trainer samples; test/trainer/kinds/kinds_test.cpp holds the two
// together. Means are linear in the states, so that what is attended to is a mean of states, of which the latent
// mean is taken once.
#include "core/kinds/vae.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/kinds/model_config.hpp"
#include "core/kinds/packed_networks.hpp"
#include "core/kinds/vector_math.hpp"
#include "core/scan/dot_product.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using enum OptionType;

constexpr OptionSpec kOptions[] = {
    {"dim", Integer, 8, 1024, "64", "", "width of the embeddings; a multiple of 8 and of heads"},
    {"latent", Integer, 1, 1024, "null", "", "latent variables of a position (z); null = dim"},
    {"layers", Integer, 1, 16, "null", "", "Transformer blocks of the encoder"},
    {"heads", Integer, 1, 16, "1", "", "heads of the encoder's self-attention"},
    {"attention", Boolean, 0, 0, "true", "",
     "additive attention of the decoder over all positions; false = the decoder sees the latest position "
     "alone"},
    {"max_len", Integer, 2, 1024, "null", "", "latest clicks the model looks at"},
    {"beta", Real, 0, 10, "null", "", "weight of the KL divergence, once it has risen"},
    {"anneal_share", Real, 0, 1, "0.3", "",
     "first share of the training, in which beta rises from 0; then it is held"},
    {"free_bits", Real, 0, 10, "null", "",
     "nats that a latent variable may tell for nothing, so that none falls silent"},
    {"loss", Text, 0, 0, "\"softmax\"", "softmax|mse",
     "softmax = the next items against all; mse = squared error over all items, 1 for the next ones and 0 "
     "for "
     "the others"},
    {"next_items", Integer, 1, 64, "null", "",
     "how many of the next items a position is to tell; null = 1 with softmax, 4 with mse"},
    {"dropout", Real, 0, 0.9, "null", "", "dropout rate"},
    {"temperature", Real, 0.001, 10, "0.05", "", "divisor of the cosine in the softmax"},
    {"epochs", Integer, 1, 100000, "null", "", "most passes over the data"},
    {"batch_tokens", Integer, 16, 1048576, "null", "", "clicks in one step"},
    {"sampled_items", Integer, 0, 1048576, "null", "",
     "items drawn to stand for the catalogue in one step; 0 = all items"},
    {"learning_rate", Real, 1e-8, 1, "null", "", "AdamW's peak step size"},
    {"cool_down", Real, 0, 1, "null", "",
     "last share of the training, in which the learning rate falls to 0"},
    {"weight_decay", Real, 0, 1, "0.01", "", "AdamW's weight decay"},
    {"patience", Integer, 1, 100000, "5", "", "validations without a better NDCG@10 before it stops"},
    {"precision", Text, 0, 0, "\"auto\"", "auto|float32|bfloat16",
     "what matrix products round their factors to; auto = bfloat16 where the CPU has it"},
};

/// What the weights' shapes follow from.
constexpr std::string_view kShape[] = {"dim", "latent", "layers", "heads", "attention", "max_len"};

struct Config {
    std::int64_t dim, latent, layers, heads, max_len;
    bool attention;

    explicit Config(const std::string& text) try {
        const json config = json::parse(text);
        dim = whole_number(config, "dim", 65536);
        latent = whole_number(config, "latent", 65536);
        layers = whole_number(config, "layers", 1024);
        heads = whole_number(config, "heads", 1024);
        max_len = whole_number(config, "max_len", 1024);
        attention = config.at("attention").get<bool>();
        if (dim % heads != 0) corrupted_model("heads do not divide dim");
    } catch (const json::exception& error) {
        corrupted_model(error.what());
    }

    NetworkSizes sizes() const { return {dim, heads, max_len}; }
    std::int64_t decoded() const { return attention ? 2 * latent : latent; }
};

NetworksOfModel read_networks(const std::string& config_text, const TensorSource& tensors) {
    const Config config(config_text);
    return {config.sizes(), {read_network(tensors, "network.", config.sizes(), config.layers)}};
}

/// tanh by a quotient of polynomials, to 4e-7: what a compiler turns into vectors, where std::tanh is a call.
float quick_tanh(float x) {
    x = std::min(std::max(x, -7.90531f), 7.90531f);
    const float s = x * x;
    float p = -2.76076847742355e-16f;
    p = p * s + 2.00018790482477e-13f;
    p = p * s - 8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    float q = 1.19825839466702e-06f;
    q = q * s + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return x * p / q;
}

}  // namespace

struct VaeEncoder::Impl {
    const SafetensorsFile& file;
    Config config;
    std::size_t dim, latent;
    std::int64_t users;
    std::span<const float> items, lengths, position;
    std::span<const float> mean, mean_bias, query, query_bias, key, score;
    std::span<const float> wide, wide_bias, narrow, skip, bias;
    NetworksByPrecision networks;

    Impl(const SafetensorsFile& model, const EncoderKernels& fast, const EncoderKernels& exact)
        : file(model),
          config(model.meta("config")),
          dim(static_cast<std::size_t>(config.dim)),
          latent(static_cast<std::size_t>(config.latent)),
          users(count_users()),
          items(file.get<float>("item.embedding", {-1, config.dim})),
          lengths(file.get<float>("click.length", {item_count(), 1})),
          position(file.get<float>("network.position.embedding", {config.max_len, config.dim})),
          networks(model, read_networks(model.meta("config"), tensors_of(model)), fast, exact) {
        read_latent();
        read_decoder();
    }

    std::int64_t count_users() const {
        const Shape& shape = file.tensor("user.embedding").shape;
        if (shape.size() != 2) corrupted_model("user.embedding is no matrix");
        return shape[0];
    }

    void read_latent() {
        const std::int64_t d = config.dim, z = config.latent;
        mean = file.get<float>("latent.mean.weight", {z, d});
        mean_bias = file.get<float>("latent.mean.bias", {z});
        (void)file.get<float>("latent.variance.weight", {z, d});  // where a further training begins
        (void)file.get<float>("latent.variance.bias", {z});
        if (!config.attention) return;
        query = file.get<float>("attention.query.weight", {d, d});
        query_bias = file.get<float>("attention.query.bias", {d});
        key = file.get<float>("attention.key.weight", {d, d});
        score = file.get<float>("attention.score", {d});
    }

    void read_decoder() {
        const std::int64_t d = config.dim, in = config.decoded();
        wide = file.get<float>("decoder.wide.weight", {4 * d, in});
        wide_bias = file.get<float>("decoder.wide.bias", {4 * d});
        narrow = file.get<float>("decoder.narrow.weight", {d, 4 * d});
        skip = file.get<float>("decoder.skip.weight", {d, in});
        bias = file.get<float>("decoder.bias", {d});
    }

    std::int64_t item_count() const { return static_cast<std::int64_t>(items.size() / dim); }

    /// Item vectors at their own lengths times sqrt(dim), plus positions counted from the oldest click.
    void embed(std::span<const std::int32_t> clicks, const Workspace& workspace) const {
        const float scale = std::sqrt(static_cast<float>(dim));
        const float* at = position.data();
        for (std::size_t i = 0; i < clicks.size(); ++i, at += dim) {
            const auto click = static_cast<std::size_t>(clicks[i]);
            const float factor = scale * lengths[click];
            float* x = workspace.x + static_cast<std::ptrdiff_t>(i) * workspace.row;
            for (std::size_t d = 0; d < dim; ++d) x[d] = items[click * dim + d] * factor + at[d];
            std::fill(x + dim, x + workspace.row, 0.0f);
        }
    }

    /// The states of the latest click, and with attention of all, [positions, dim].
    std::vector<float> states(std::span<const std::int32_t> clicks, const PackedNetworks& packed) const {
        const Workspace workspace(packed.kernels, config.sizes(), clicks.size());
        embed(clicks, workspace);
        std::vector<float> all(config.attention ? clicks.size() * dim : dim);
        if (config.attention)
            packed.networks[0].run_all(workspace, all);
        else
            packed.networks[0].run(workspace, all);
        return all;
    }

    /// The mean of the states by the attention of the latest one.
    std::vector<float> attend(std::span<const float> all) const {
        const std::size_t count = all.size() / dim;
        std::vector<float> asked(dim), keys(dim), scores(count), pooled(dim);
        dot_products(query.data(), dim, dim, all.last(dim).data(), asked.data());
        for (std::size_t d = 0; d < dim; ++d) asked[d] += query_bias[d];
        for (std::size_t i = 0; i < count; ++i) {
            dot_products(key.data(), dim, dim, all.data() + i * dim, keys.data());
            for (std::size_t d = 0; d < dim; ++d) keys[d] = quick_tanh(asked[d] + keys[d]);
            dot_products(keys.data(), 1, dim, score.data(), &scores[i]);
        }
        softmax(scores);
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t d = 0; d < dim; ++d) pooled[d] += scores[i] * all[i * dim + d];
        return pooled;
    }

    /// The latent mean of a state.
    void add_mean(std::span<const float> state, std::span<float> out) const {
        dot_products(mean.data(), latent, dim, state.data(), out.data());
        for (std::size_t i = 0; i < latent; ++i) out[i] += mean_bias[i];
    }

    void decode(std::span<const float> means, std::span<float> out) const {
        std::vector<float> inner(wide_bias.size()), narrowed(dim);
        dot_products(wide.data(), inner.size(), means.size(), means.data(), inner.data());
        for (std::size_t i = 0; i < inner.size(); ++i) inner[i] = gelu(inner[i] + wide_bias[i]);
        dot_products(narrow.data(), dim, inner.size(), inner.data(), narrowed.data());
        dot_products(skip.data(), dim, means.size(), means.data(), out.data());
        for (std::size_t d = 0; d < dim; ++d) {
            const float own = d < latent ? means[d] : 0;
            out[d] = own + kVaeGain * (out[d] + narrowed[d] + bias[d]);
        }
    }

    void answer(std::span<const std::int32_t> clicks, std::span<float> out, Precision precision) const {
        const std::vector<float> all = states(clicks, networks.at(precision));
        std::vector<float> means(static_cast<std::size_t>(config.decoded()));
        add_mean(std::span(all).last(dim), std::span(means).first(latent));
        if (config.attention) add_mean(attend(all), std::span(means).last(latent));
        decode(means, out);
    }
};

VaeEncoder::VaeEncoder(const SafetensorsFile& file)
    : impl_(std::make_unique<const Impl>(file, fastest_encoder_kernels(false),
                                         fastest_encoder_kernels(true))) {}
VaeEncoder::VaeEncoder(const SafetensorsFile& file, const EncoderKernels& kernels)
    : impl_(std::make_unique<const Impl>(file, kernels, kernels)) {}
VaeEncoder::~VaeEncoder() = default;

int VaeEncoder::dim() const { return static_cast<int>(impl_->dim); }
int VaeEncoder::reach() const { return static_cast<int>(impl_->config.max_len); }

Encoded VaeEncoder::encode(const EncoderInput& input, std::span<float> out, Precision precision) const {
    if (out.size() != impl_->dim || input.user < -1 || input.user >= impl_->users)
        throw Error(sqlstate::kInternal, "encoder called with a wrong size or user");
    const auto clicks = input.clicks.last(std::min(input.clicks.size(), static_cast<std::size_t>(reach())));
    for (const std::int32_t item : clicks)
        if (item < 0 || item >= impl_->item_count())
            throw Error(sqlstate::kInternal, "item index is out of range");
    std::ranges::fill(out, 0.0f);
    if (clicks.empty()) return {.known = false};
    impl_->answer(clicks, out, precision);
    return {.known = normalise(out)};
}

namespace {

std::unique_ptr<const Encoder> open_encoder(const SafetensorsFile& model) {
    return std::make_unique<const VaeEncoder>(model);
}

}  // namespace

constinit const Kind kVae = {.name = "vae",
                             .meaning =
                                 "a variational auto-encoder over the latest clicks, with additive attention "
                                 "between encoder and decoder; it "
                                 "learns no vector of any user, and regularises by what a click may tell",
                             .form = {.link = Link::Cosine},
                             .needs = {},
                             .options = kOptions,
                             .shape = kShape,
                             .check = check_width,
                             .open = open_encoder,
                             .packing = &kPackingOf<read_networks>};

}  // namespace seqrec
