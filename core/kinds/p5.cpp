// Kind `p5`: options, what is read from the file, and the prompt before the clicks. The same forward pass as
// trainer/kinds/p5/p5_network.cpp; test/trainer/kinds/kinds_test.cpp holds the two together.
#include "core/kinds/p5.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"
#include "core/kernels/encoder_kernels.hpp"
#include "core/kinds/model_config.hpp"
#include "core/kinds/packed_networks.hpp"
#include "core/kinds/vector_math.hpp"
#include "core/scan/dot_product.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using enum OptionType;

constexpr OptionSpec kOptions[] = {
    {"stages", Json, 0, 0, "null", "",
     "which of [\"pretrain\", \"prompt\", \"tune\"] are trained, in this order; null = all"},
    {"dim", Integer, 8, 1024, "64", "", "width of the embeddings; a multiple of 8 and of heads"},
    {"layers", Integer, 1, 16, "null", "", "Transformer blocks"},
    {"heads", Integer, 1, 16, "1", "", "attention heads"},
    {"max_len", Integer, 2, 1024, "null", "", "latest clicks the model looks at"},
    {"dropout", Real, 0, 0.9, "null", "", "dropout rate"},
    {"mask_share", Real, 0, 1, "0.1", "",
     "share of the sequences of which pretraining hides a fifth of the clicks, and asks for them after the "
     "others"},
    {"user_dropout", Real, 0, 1, "0.5", "", "share of sequences trained without the user's own token"},
    {"feature_dropout", Real, 0, 1, "0.2", "",
     "share of sequences trained without the user's features; of the others each column is left out half as "
     "often"},
    {"temperature", Real, 0.001, 10, "0.05", "", "divisor of the cosine in the softmax"},
    {"epochs", Integer, 1, 100000, "null", "", "most passes over the data, of each stage"},
    {"batch_tokens", Integer, 16, 1048576, "null", "", "clicks in one step"},
    {"sampled_items", Integer, 0, 1048576, "null", "",
     "items drawn to stand for the catalogue in one step; 0 = all items"},
    {"learning_rate", Real, 1e-8, 1, "null", "",
     "AdamW's peak step size; a tenth of it once there is something pretrained to tune"},
    {"cool_down", Real, 0, 1, "null", "", "last share of each stage, in which the learning rate falls to 0"},
    {"weight_decay", Real, 0, 1, "0.01", "", "AdamW's weight decay"},
    {"patience", Integer, 1, 100000, "5", "", "validations without a better NDCG@10 before a stage stops"},
    {"precision", Text, 0, 0, "\"auto\"", "auto|float32|bfloat16",
     "what matrix products round their factors to; auto = bfloat16 where the CPU has it"},
};

/// What the weights' shapes follow from.
constexpr std::string_view kShape[] = {"dim", "layers", "heads", "max_len"};
constexpr std::string_view kStages[] = {"pretrain", "prompt", "tune"};

[[noreturn]] void refuse_stages(const std::string& what) {
    throw Error(sqlstate::kInvalidParameter, "option \"stages\" " + what,
                R"(It is an array of some of ["pretrain", "prompt", "tune"], in this order.)");
}

void check_stages(const json& stages) {
    if (stages.is_null()) return;
    if (!stages.is_array() || stages.empty()) refuse_stages("must be an array of names");
    std::ptrdiff_t last = -1;
    for (const json& stage : stages) {
        const std::string* name = stage.get_ptr<const std::string*>();
        const auto found = name ? std::ranges::find(kStages, *name) : std::end(kStages);
        if (found == std::end(kStages)) refuse_stages("does not know " + stage.dump().substr(0, 100));
        if (found - std::begin(kStages) <= last) refuse_stages("has \"" + *name + "\" in a wrong place");
        last = found - std::begin(kStages);
    }
}

void check_options(const json& options) {
    check_width(options);
    check_stages(options.at("stages"));
}

struct Config {
    std::int64_t dim, layers, heads, max_len;
    std::int64_t prompt_until;  // clicks from which on a prompt of columns alone is left out
    std::vector<QueryColumn> columns;

    explicit Config(const std::string& text) try {
        const json config = json::parse(text);
        dim = whole_number(config, "dim", 65536);
        layers = whole_number(config, "layers", 1024);
        heads = whole_number(config, "heads", 1024);
        max_len = whole_number(config, "max_len", 1024);
        prompt_until =
            config.contains("prompt_until") ? whole_number(config, "prompt_until", 1024) : max_len + 1;
        if (dim % heads != 0) corrupted_model("heads do not divide dim");
        for (const json& column : config.at("columns")) columns.push_back(read_column(column));
    } catch (const json::exception& error) {
        corrupted_model(error.what());
    }

    NetworkSizes sizes() const { return {dim, heads, max_len + kMostPrompt}; }
};

/// to += factor * row
void add_row(const float* row, float factor, float* to, std::size_t dim) {
    for (std::size_t d = 0; d < dim; ++d) to[d] += factor * row[d];
}

/// Blocks whose rows are a prompt and clicks.
NetworksOfModel read_networks(const std::string& config_text, const TensorSource& tensors) {
    const Config config(config_text);
    return {config.sizes(), {read_network(tensors, "", config.sizes(), config.layers)}};
}

}  // namespace

std::vector<std::int32_t> prompt_tokens(const std::vector<QueryColumn>& columns, std::int64_t rows) {
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(rows));
    for (std::size_t c = 0; c < columns.size(); ++c) {
        const auto token = static_cast<std::int32_t>(c) % static_cast<std::int32_t>(kPromptColumns);
        const QueryColumn& column = columns[c];
        for (std::int32_t row = column.first; row < column.first + column.count; ++row)
            tokens[static_cast<std::size_t>(row)] = token;
        for (const std::int32_t row : {column.number, column.missing})
            if (row >= 0) tokens[static_cast<std::size_t>(row)] = token;
    }
    return tokens;
}

struct P5Encoder::Impl {
    const SafetensorsFile& file;
    Config config;
    NetworkSizes sizes;
    std::size_t dim;
    float scale;  // of items' and features' rows, which then have numbers of about 1
    std::span<const float> items, lengths, users, positions, special, features, head, offset;
    AskerFeatures askers;
    std::vector<std::int32_t> token_of_row;
    NetworksByPrecision networks;

    explicit Impl(const SafetensorsFile& model)
        : file(model),
          config(model.meta("config")),
          sizes(config.sizes()),
          dim(static_cast<std::size_t>(config.dim)),
          scale(std::sqrt(static_cast<float>(dim))),
          items(file.get<float>("item.embedding", {-1, config.dim})),
          lengths(file.get<float>("click.length", {item_count()})),
          users(file.get<float>("user.embedding", {-1, config.dim})),
          positions(file.get<float>("position.embedding", {config.max_len, config.dim})),
          special(file.get<float>("prompt.special", {3, config.dim})),
          features(file.get<float>("feature.rows", {-1, config.dim})),
          head(file.get<float>("head.weight", {config.dim, config.dim})),
          offset(file.get<float>("probability.offset", {config.dim + 1})),
          askers(file, config.columns, row_count(), user_count()),
          token_of_row(prompt_tokens(config.columns, row_count())),
          networks(model, read_networks(model.meta("config"), tensors_of(model)),
                   fastest_encoder_kernels(false), fastest_encoder_kernels(true)) {}

    std::int64_t item_count() const { return static_cast<std::int64_t>(items.size() / dim); }
    std::int64_t user_count() const { return static_cast<std::int64_t>(users.size() / dim); }
    std::int64_t row_count() const { return static_cast<std::int64_t>(features.size() / dim); }

    /// The tokens before the clicks, one row each: none where nothing but a start would stand there, or nothing that pays after
    /// so many clicks. `known` is set when columns or a token of the user's own say something of the asker.
    std::vector<float> prompt(const EncoderInput& input, std::int64_t clicks, bool& known) const {
        std::vector<float> rows = columns_before(input, known);
        const std::size_t of_columns = rows.size();
        known |= add_personal(input.user, rows);
        const bool own = rows.size() > of_columns;
        if (rows.size() == dim && clicks > 0) rows.clear();  // a start
        if (!own && clicks >= config.prompt_until) rows.clear();
        return rows;
    }

    /// The start and a token for each column of which something is given.
    std::vector<float> columns_before(const EncoderInput& input, bool& known) const {
        std::vector<float> sums(static_cast<std::size_t>(kPromptColumns) * dim);
        bool given[kPromptColumns] = {};
        for (const QueryFeature& feature : askers.of(input.user, input.context)) {
            const auto row = static_cast<std::size_t>(feature.row);
            const auto token = static_cast<std::size_t>(token_of_row[row]);
            add_row(features.data() + row * dim, scale * feature.x, sums.data() + token * dim, dim);
            given[token] = true;
            known |= askers.tells(feature);
        }
        const auto start = special.first(dim);
        std::vector<float> rows(start.begin(), start.end());
        for (std::size_t token = 0; token < static_cast<std::size_t>(kPromptColumns); ++token)
            if (given[token])
                rows.insert(rows.end(), sums.begin() + static_cast<std::ptrdiff_t>(token * dim),
                            sums.begin() + static_cast<std::ptrdiff_t>((token + 1) * dim));
        return rows;
    }

    /// False for a user who has no token of her own.
    bool add_personal(std::int64_t user, std::vector<float>& rows) const {
        if (user < 0) return false;
        const auto own = users.subspan(static_cast<std::size_t>(user) * dim, dim);
        if (std::ranges::all_of(own, [](float x) { return x == 0; })) return false;
        const auto marker = special.subspan(dim, dim);
        rows.insert(rows.end(), marker.begin(), marker.end());
        add_row(own.data(), scale, rows.data() + rows.size() - dim, dim);
        return true;
    }

    /// Prompt, then item vectors at their own lengths times sqrt(dim) plus positions counted from the oldest click.
    void embed(std::span<const float> prompt, std::span<const std::int32_t> clicks,
               const Workspace& workspace) const {
        float* x = workspace.x;
        for (std::size_t i = 0; i < prompt.size() / dim + clicks.size(); ++i, x += workspace.row) {
            std::fill(x, x + workspace.row, 0.0f);
            if (i < prompt.size() / dim) {
                std::copy_n(prompt.data() + i * dim, dim, x);
                continue;
            }
            const std::size_t place = i - prompt.size() / dim;
            const auto click = static_cast<std::size_t>(clicks[place]);
            std::copy_n(positions.data() + place * dim, dim, x);
            add_row(items.data() + click * dim, scale * lengths[click], x, dim);
        }
    }

    /// The last hidden state, to which the head adds its part after a prompt; false for a vector without length.
    bool answer(std::span<const float> state, bool prompted, std::span<float> out) const {
        std::ranges::fill(out, 0.0f);
        if (prompted) dot_products(head.data(), dim, dim, state.data(), out.data());
        for (std::size_t d = 0; d < dim; ++d) out[d] += state[d];
        return normalise(out);
    }

    float offset_of(std::span<const float> query) const {
        float sum = offset[dim];
        for (std::size_t d = 0; d < dim; ++d) sum += offset[d] * query[d];
        return sum;
    }
};

P5Encoder::P5Encoder(const SafetensorsFile& file) : impl_(std::make_unique<const Impl>(file)) {}
P5Encoder::~P5Encoder() = default;

int P5Encoder::dim() const { return static_cast<int>(impl_->dim); }
int P5Encoder::reach() const { return static_cast<int>(impl_->config.max_len); }

Encoded P5Encoder::encode(const EncoderInput& input, std::span<float> out, Precision precision) const {
    if (out.size() != impl_->dim || input.user < -1 || input.user >= impl_->user_count())
        throw Error(sqlstate::kInternal, "encoder called with a wrong size or user");
    const auto clicks = input.clicks.last(std::min(input.clicks.size(), static_cast<std::size_t>(reach())));
    for (const std::int32_t item : clicks)
        if (item < 0 || item >= impl_->item_count())
            throw Error(sqlstate::kInternal, "item index is out of range");
    bool known = !clicks.empty();
    const std::vector<float> prompt = impl_->prompt(input, std::ssize(clicks), known);
    const PackedNetworks& packed = impl_->networks.at(precision);
    const Workspace workspace(packed.kernels, impl_->sizes, prompt.size() / impl_->dim + clicks.size());
    impl_->embed(prompt, clicks, workspace);
    std::vector<float> state(impl_->dim);
    packed.networks[0].run(workspace, state);
    const bool answered = impl_->answer(state, prompt.size() > impl_->dim, out);
    return {.known = answered && known, .offset = impl_->offset_of(out)};
}

std::vector<std::string> P5Encoder::unknown_context(const json& context) const {
    return impl_->askers.context().unknown(context);
}

namespace {

std::unique_ptr<const Encoder> open_encoder(const SafetensorsFile& model) {
    return std::make_unique<const P5Encoder>(model);
}

}  // namespace

constinit const Kind kP5 = {
    .name = "p5",
    .meaning =
        "pretrained on all sequences, then taught to read a prompt before the clicks, made of the user's "
        "features and of what she was like before: next items and probabilities",
    .form = {.link = Link::Sigmoid, .user_offset = true},
    .needs = {.users = true},
    .options = kOptions,
    .shape = kShape,
    .check = check_options,
    .open = open_encoder,
    .packing = &kPackingOf<read_networks>};

}  // namespace seqrec
