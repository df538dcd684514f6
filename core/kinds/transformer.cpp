// Kind `transformer`: what is read from the file, and how its networks make one vector. The same forward pass
// as trainer/kinds/transformer/network.cpp; test/trainer/kinds/kinds_test.cpp holds the two together.
#include "core/kinds/transformer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/kernels/encoder_kernels.hpp"
#include "core/kinds/model_config.hpp"
#include "core/kinds/packed_networks.hpp"
#include "core/kinds/transformer_context.hpp"
#include "core/kinds/transformer_network.hpp"
#include "core/kinds/vector_math.hpp"

namespace seqrec {
namespace {

using enum OptionType;

constexpr OptionSpec kOptions[] = {
    {"members", Integer, 1, 8, "null", "", "networks that are trained one after the other and averaged"},
    {"students", Integer, 0, 8, "null", "",
     "networks that learn from the mean of all members and are served in their place; 0 = the members are "
     "served; null = one, where histories are short and there is time for it, unless it ranks worse"},
    {"serving", Text, 0, 0, "\"best\"", "best|fast",
     "what answers: as many networks, and as deep ones, as rank best, or one of two layers at a part of "
     "their cost"},
    {"dim", Integer, 8, 1024, "64", "", "width of the embeddings; a multiple of 8 and of heads"},
    {"layers", Integer, 1, 16, "null", "", "Transformer blocks"},
    {"heads", Integer, 1, 16, "1", "", "attention heads"},
    {"max_len", Integer, 2, 1024, "null", "", "latest clicks the model looks at"},
    {"dropout", Real, 0, 0.9, "null", "", "dropout rate"},
    {"id_dropout", Real, 0, 1, "null", "",
     "share of items that a step trains by their content alone, as if they were new"},
    {"content_use", Text, 0, 0, "\"auto\"", "auto|trained|fitted",
     "text and vectors of items are trained with, or fitted afterwards for new items alone; auto = by a "
     "short training"},
    {"cold_shift", Real, -1, 2, "null", "",
     "how far items that nobody has had are moved towards where people look; null = as far as "
     "they are seen as often as asked for and the others pay little"},
    {"context_use", Text, 0, 0, "\"auto\"", "auto|none|time|columns|all",
     "what of the moment is trained with: time (hour, weekday, gap to the click before), columns of context, "
     "both or neither; auto = what the validation says"},
    {"exclude_events", Json, 0, 0, "null", "",
     "list of events, such as [\"dislike\"], whose items are never recommended to who had one; null = none"},
    {"user_dropout", Real, 0, 1, "null", "",
     "share of sequences trained without a vector of their user; 1 = no user has one; null = 1, or as the "
     "model of init_from"},
    {"temperature", Real, 0.001, 10, "0.05", "", "divisor of the cosine in the softmax"},
    {"epochs", Integer, 1, 100000, "null", "", "most passes over the data"},
    {"batch_tokens", Integer, 16, 1048576, "null", "", "clicks in one step"},
    {"sampled_items", Integer, 0, 1048576, "null", "",
     "items drawn to stand for the catalogue in one step; 0 = all items"},
    {"learning_rate", Real, 1e-8, 1, "null", "", "AdamW's peak step size"},
    {"distill", Real, 0, 10, "null", "",
     "with init_from: labels drawn from the earlier model for each new one, so that it is not forgotten; "
     "null = as the "
     "data ask for; 0 = none"},
    {"keep_items", Boolean, 0, 0, "null", "",
     "with init_from: whether items of the earlier model that the table no longer has stay in the model; "
     "null = where most of "
     "its users are gone from the table too"},
    {"cool_down", Real, 0, 1, "null", "",
     "last share of the training, in which the learning rate falls to 0"},
    {"weight_decay", Real, 0, 1, "0.01", "", "AdamW's weight decay"},
    {"patience", Integer, 0, 100000, "0", "",
     "validations without a better NDCG@10 before it cools down, or stops; 0 = it stops once the last two "
     "together are no better than the two before and a tenth of its epochs came after the best"},
    {"device", Text, 0, 0, "\"auto\"", "auto|cpu|cuda",
     "where steps are computed; auto = a GPU when libtorch finds one"},
    {"precision", Text, 0, 0, "\"auto\"", "auto|float32|bfloat16",
     "what matrix products round their factors to; auto = bfloat16 where the CPU has it"},
};

/// What the weights' shapes follow from.
constexpr std::string_view kShape[] = {"members", "dim", "layers", "heads", "max_len"};

struct Config {
    std::int64_t members, dim, layers, heads, max_len;
    std::int64_t moments;  // rows of the tables of what is known of a moment, 0 for none

    explicit Config(const std::string& text) try {
        const auto config = nlohmann::json::parse(text);
        members = whole_number(config, "members", 64);
        dim = whole_number(config, "dim", 65536);
        layers = whole_number(config, "layers", 1024);
        heads = whole_number(config, "heads", 1024);
        max_len = whole_number(config, "max_len", 1024);
        moments = MomentContext::rows_of(config);
        if (dim % heads != 0) corrupted_model("heads do not divide dim");
    } catch (const nlohmann::json::exception& error) {
        corrupted_model(error.what());
    }
};

NetworkSizes sizes_of(const Config& config) { return {config.dim, config.heads, config.max_len}; }

std::string prefix_of(std::int64_t member) { return "member." + std::to_string(member) + "."; }

NetworksOfModel read_networks(const std::string& config_text, const TensorSource& tensors) {
    const Config config(config_text);
    NetworksOfModel networks{sizes_of(config), {}};
    for (std::int64_t m = 0; m < config.members; ++m)
        networks.weights.push_back(read_network(tensors, prefix_of(m), networks.sizes, config.layers));
    return networks;
}

/// One of the networks whose cosines are averaged: it reads and writes its own slice of all embeddings.
struct Member {
    std::span<const float> position;
    std::span<const float> click_moments, asked_moments;  // empty for none

    Member(const TensorSource& tensors, const Config& config, std::int64_t index) {
        const std::string at = prefix_of(index);
        position = tensors(at + "position.embedding", {config.max_len, config.dim});
        if (config.moments == 0) return;
        click_moments = tensors(at + "context.in", {config.moments, config.dim});
        asked_moments = tensors(at + "context.out", {config.moments, config.dim});
    }
};

std::vector<Member> read_members(const TensorSource& tensors, const Config& config) {
    std::vector<Member> members;
    for (std::int64_t i = 0; i < config.members; ++i) members.emplace_back(tensors, config, i);
    return members;
}

/// What a context says of clicks and of the question.
struct Said {
    ClickFeatures clicks{};
    std::vector<QueryFeature> question{};
};

/// Adds rows of a table to a vector.
void add_features(std::span<const QueryFeature> features, std::span<const float> table, float* to,
                  std::size_t dim) {
    for (const QueryFeature& feature : features) {
        const float* row = table.data() + static_cast<std::size_t>(feature.row) * dim;
        for (std::size_t d = 0; d < dim; ++d) to[d] += feature.x * row[d];
    }
}

std::unique_ptr<const MomentContext> moments_of(const SafetensorsFile& file) {
    const auto config = nlohmann::json::parse(file.meta("config"));
    return MomentContext::is_in(config) ? std::make_unique<const MomentContext>(file, config) : nullptr;
}

}  // namespace

struct TransformerEncoder::Impl {
    Config config;
    std::size_t dim, width;               // of a member; of all
    std::span<const float> items, users;  // the latter of width 0 where nobody has a vector
    std::int64_t user_count;
    std::span<const float> lengths;
    std::vector<Member> members;
    std::unique_ptr<const MomentContext> moments;  // null for none
    NetworksByPrecision networks;

    Impl(const SafetensorsFile& file, const EncoderKernels& fast, const EncoderKernels& exact)
        : config(file.meta("config")),
          dim(static_cast<std::size_t>(config.dim)),
          width(dim * static_cast<std::size_t>(config.members)),
          items(file.get<float>("item.embedding", {-1, config.members * config.dim})),
          users(file.get<float>("user.embedding", {-1, -1})),
          user_count(file.tensor("user.embedding").shape[0]),
          lengths(file.get<float>("click.length", {item_count(), config.members})),
          members(read_members(tensors_of(file), config)),
          moments(moments_of(file)),
          networks(file, read_networks(file.meta("config"), tensors_of(file)), fast, exact) {
        if (keeps_users() && users.size() != static_cast<std::size_t>(user_count) * width)
            corrupted_model("user.embedding has another width than items");
    }

    bool keeps_users() const { return !users.empty(); }
    std::int64_t item_count() const { return static_cast<std::int64_t>(items.size() / width); }

    /// Item vectors at their own lengths times sqrt(dim), plus positions counted from the oldest click.
    void embed(std::size_t member, std::span<const std::int32_t> clicks, const Workspace& workspace) const {
        const float scale = std::sqrt(static_cast<float>(dim));
        const float* position = members[member].position.data();
        for (std::size_t i = 0; i < clicks.size(); ++i, position += dim) {
            const auto click = static_cast<std::size_t>(clicks[i]);
            const float* item = items.data() + click * width + member * dim;
            const float factor = scale * lengths[click * members.size() + member];
            float* x = workspace.x + static_cast<std::ptrdiff_t>(i) * workspace.row;
            for (std::size_t d = 0; d < dim; ++d) x[d] = item[d] * factor + position[d];
            std::fill(x + dim, x + workspace.row, 0.0f);
        }
    }

    Said said(const EncoderInput& input, std::size_t clicks) const {
        if (!moments || !input.context) return {};
        const auto places = input.places.size() < clicks ? input.places.first(0) : input.places.last(clicks);
        return {moments->of_clicks(*input.context, places), moments->of(*input.context)};
    }

    /// Adds each member's hidden state at the last click to its slice of `out`.
    void add_interest(std::span<const std::int32_t> clicks, const Said& said, std::span<float> out,
                      const PackedNetworks& packed) const {
        const Workspace workspace(packed.kernels, sizes_of(config), clicks.size());
        std::vector<float> state(dim);
        for (std::size_t m = 0; m < members.size(); ++m) {
            embed(m, clicks, workspace);
            for (std::size_t i = 0; i < std::min(said.clicks.size(), clicks.size()); ++i)
                add_features(said.clicks[i], members[m].click_moments,
                             workspace.x + static_cast<std::ptrdiff_t>(i) * workspace.row, dim);
            packed.networks[m].run(workspace, state);
            for (std::size_t d = 0; d < dim; ++d) out[m * dim + d] += state[d];
            add_features(said.question, members[m].asked_moments, out.data() + m * dim, dim);
        }
    }
};

TransformerEncoder::TransformerEncoder(const SafetensorsFile& file)
    : TransformerEncoder(file, fastest_encoder_kernels(false), fastest_encoder_kernels(true)) {}
TransformerEncoder::TransformerEncoder(const SafetensorsFile& file, const EncoderKernels& kernels)
    : TransformerEncoder(file, kernels, kernels) {}
TransformerEncoder::TransformerEncoder(const SafetensorsFile& file, const EncoderKernels& fast,
                                       const EncoderKernels& exact)
    : impl_(std::make_unique<const Impl>(file, fast, exact)) {}
TransformerEncoder::~TransformerEncoder() = default;

int TransformerEncoder::dim() const { return static_cast<int>(impl_->width); }
int TransformerEncoder::reach() const { return static_cast<int>(impl_->config.max_len); }

Encoded TransformerEncoder::encode(const EncoderInput& input, std::span<float> out,
                                   Precision precision) const {
    const auto all_clicks = input.clicks;
    const std::int32_t user = input.user;
    const std::size_t dim = impl_->dim, width = impl_->width;
    if (out.size() != width || user < -1 || user >= impl_->user_count)
        throw Error(sqlstate::kInternal, "encoder called with a wrong size or user");
    const auto clicks = all_clicks.last(std::min(all_clicks.size(), static_cast<std::size_t>(reach())));
    for (const std::int32_t item : clicks)
        if (item < 0 || item >= impl_->item_count())
            throw Error(sqlstate::kInternal, "item index is out of range");
    std::fill(out.begin(), out.end(), 0.0f);
    if (user >= 0 && impl_->keeps_users())
        std::copy_n(impl_->users.data() + static_cast<std::size_t>(user) * width, width, out.data());
    if (!clicks.empty())
        impl_->add_interest(clicks, impl_->said(input, clicks.size()), out, impl_->networks.at(precision));
    for (std::size_t m = 0; m < impl_->members.size(); ++m) normalise(out.subspan(m * dim, dim));
    return {.known = normalise(out)};
}

std::vector<std::string> TransformerEncoder::unknown_context(const nlohmann::json& context) const {
    return impl_->moments ? impl_->moments->unknown(context) : Encoder::unknown_context(context);
}

namespace {

std::unique_ptr<const Encoder> open_encoder(const SafetensorsFile& model) {
    return std::make_unique<const TransformerEncoder>(model);
}

}  // namespace

/// What is said of an earlier model needs one.
void check_update(const nlohmann::json& options) {
    if (!options.at("init_from").is_null()) return;
    for (const char* name : {"distill", "keep_items"})
        if (const auto& given = options.at(name); !given.is_null() && given != 0 && given != false)
            throw Error(sqlstate::kInvalidParameter,
                        "option \"" + std::string(name) + "\" is given without init_from",
                        "It says what becomes of the knowledge of the model that init_from names.");
}

/// As far as the options say it; the trainer asks again of what the data decide.
void check_students_of(const nlohmann::json& options) {
    const auto number = [&](const char* name, std::int64_t otherwise) {
        return options.at(name).is_null() ? otherwise : options.at(name).get<std::int64_t>();
    };
    constexpr auto kUnknown = std::numeric_limits<std::int64_t>::max();
    check_students(number("students", 0), number("members", kUnknown), number("sampled_items", 0),
                   !options.at("init_from").is_null());
}

/// How many networks answer is said once.
void check_serving(const nlohmann::json& options) {
    if (options.at("serving") != "fast") return;
    for (const std::string name : {"members", "students", "init_from"})
        if (!options.at(name).is_null())
            throw Error(sqlstate::kInvalidParameter, "serving is \"fast\" and \"" + name + "\" is given",
                        "One network is served then, however it is trained; leave one of the two out.");
}

void check_options(const nlohmann::json& options) {
    check_width(options);
    check_serving(options);
    check_students_of(options);
    check_update(options);
}

void check_students(std::int64_t students, std::int64_t members, std::int64_t sampled, bool updates) {
    if (students == 0) return;
    const auto refuse = [](const char* message, const char* hint) {
        throw Error(sqlstate::kInvalidParameter, message, hint);
    };
    if (updates)
        refuse("students cannot be had with init_from",
               "An update goes on with the networks of the earlier model; leave students out.");
    if (sampled > 0)
        refuse("students learn from all items, not from a sample",
               "Set sampled_items to 0, or leave students out.");
    if (students >= members)
        refuse("students must be fewer than the members they learn from",
               "Raise members, or lower students: what is served is to cost less than they do.");
}

constinit const Kind kTransformer = {.name = "transformer",
                                     .meaning = "a causal Transformer over the latest clicks",
                                     .form = {.link = Link::Cosine},
                                     .needs = {.text = true, .context = true},
                                     .options = kOptions,
                                     .shape = kShape,
                                     .check = check_options,
                                     .open = open_encoder,
                                     .packing = &kPackingOf<read_networks>};

}  // namespace seqrec
