// Kind `two_tower`: options, what is read from the file, and the user tower: the same forward pass as
// trainer/kinds/two_tower/towers.cpp for the last position; test/trainer/kinds/kinds_test.cpp holds the two
// together. Only the latest click asks, so keys and values are never made: a head's query goes back through
// its keys' matrix, and what it pools goes through its values' matrix once.
#include "core/kinds/two_tower.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/kinds/model_config.hpp"
#include "core/kinds/query_columns.hpp"
#include "core/kinds/vector_math.hpp"
#include "core/scan/dot_product.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using enum OptionType;

constexpr OptionSpec kOptions[] = {
    {"dim", Integer, 8, 1024, "64", "", "width of the vectors; a multiple of 8 and of heads"},
    {"heads", Integer, 1, 16, "4", "", "heads of the attention over the clicks"},
    {"max_len", Integer, 1, 1024, "null", "", "latest clicks the model looks at"},
    {"hidden", Integer, 8, 4096, "null", "", "hidden units of the user tower; null = 4 x dim"},
    {"content_hidden", Integer, 0, 4096, "0", "",
     "hidden units of the item tower's content; 0 = a projection alone"},
    {"dropout", Real, 0, 0.9, "null", "", "dropout rate of the user tower"},
    {"id_dropout", Real, 0, 1, "0.2", "",
     "share of items whose id is left out of a step, so that content alone is learned from, too"},
    {"cold_shift", Real, -1, 2, "null", "",
     "how far items that nobody has had are moved towards where people look; null = as far as "
     "they are seen as often as asked for and the others pay little"},
    {"feature_dropout", Real, 0, 1, "0.25", "", "share of sequences trained without the user's features"},
    {"temperature", Real, 0.001, 10, "0.05", "", "divisor of the cosine in the loss"},
    {"loss", Text, 0, 0, "\"softmax\"", "softmax|bce",
     "softmax = the item chosen against all candidates, sampled ones weighted (logQ); bce = yes or no for "
     "each of the candidates drawn"},
    {"candidates", Text, 0, 0, "\"auto\"", "auto|all|batch",
     "what a choice is held against: all items, or the batch's and as many drawn as negatives says; auto = "
     "all where they are 50,000 or fewer"},
    {"negatives", Integer, 0, 1048576, "null", "",
     "items drawn beside the batch's; null = 4096 with softmax, 512 with bce"},
    {"batch", Integer, 16, 1048576, "null", "", "choices in one step"},
    {"epochs", Integer, 1, 100000, "null", "", "most passes over the data"},
    {"learning_rate", Real, 1e-8, 1, "null", "", "AdamW's peak step size"},
    {"cool_down", Real, 0, 1, "null", "",
     "last share of the training, in which the learning rate falls to 0"},
    {"weight_decay", Real, 0, 1, "0.01", "", "AdamW's weight decay"},
    {"patience", Integer, 1, 100000, "5", "", "validations without a better NDCG@10 before it stops"},
    {"precision", Text, 0, 0, "\"auto\"", "auto|float32|bfloat16",
     "what matrix products round their factors to; auto = bfloat16 where the CPU has it"},
};

/// What the weights' shapes follow from.
constexpr std::string_view kShape[] = {"dim", "heads", "max_len", "hidden", "content_hidden"};

struct Config {
    std::int64_t dim, heads, max_len, hidden;
    std::vector<QueryColumn> columns;

    explicit Config(const std::string& text) try {
        const json config = json::parse(text);
        dim = whole_number(config, "dim", 65536);
        heads = whole_number(config, "heads", 1024);
        max_len = whole_number(config, "max_len", 1024);
        hidden = whole_number(config, "hidden", 65536);
        if (dim % heads != 0) corrupted_model("heads do not divide dim");
        for (const json& column : config.at("columns")) columns.push_back(read_column(column));
    } catch (const json::exception& error) {
        corrupted_model(error.what());
    }
};

/// y += W x for a matrix of y's size rows.
void add_product(std::span<const float> matrix, std::span<const float> x, std::span<float> y,
                 std::span<float> scratch) {
    dot_products(matrix.data(), y.size(), x.size(), x.data(), scratch.data());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += scratch[i];
}

/// to += factor * row
void add_row(const float* row, float factor, std::span<float> to) {
    for (std::size_t d = 0; d < to.size(); ++d) to[d] += factor * row[d];
}

}  // namespace

struct TwoTowerEncoder::Impl {
    const SafetensorsFile& file;
    Config config;
    std::size_t dim, width;  // of a vector; of a head
    float scale;             // of items' and features' rows, which then have numbers of about 1
    std::int64_t users;
    std::span<const float> items, features, attention, attention_bias, relative, wide, wide_bias,
        wide_features, narrow, skip, skip_features, bias;
    std::optional<AskerFeatures> askers;

    explicit Impl(const SafetensorsFile& model)
        : file(model),
          config(model.meta("config")),
          dim(static_cast<std::size_t>(config.dim)),
          width(dim / static_cast<std::size_t>(config.heads)),
          scale(std::sqrt(static_cast<float>(dim))) {
        const Shape& shape = file.tensor("user.embedding").shape;
        if (shape.size() != 2) corrupted_model("user.embedding is no matrix");
        users = shape[0];
        items = file.get<float>("item.embedding", {-1, config.dim});
        read_network();
        read_features();
    }

    void read_network() {
        const std::int64_t d = config.dim, hidden = config.hidden;
        attention = file.get<float>("attention.weight", {3 * d, d});
        attention_bias = file.get<float>("attention.bias", {3 * d});
        relative = file.get<float>("attention.relative", {config.heads, config.max_len});
        wide = file.get<float>("query.wide.weight", {hidden, 2 * d});
        wide_bias = file.get<float>("query.wide.bias", {hidden});
        wide_features = file.get<float>("query.wide.features", {hidden, d});
        narrow = file.get<float>("query.narrow.weight", {d, hidden});
        skip = file.get<float>("query.skip.weight", {d, 2 * d});
        skip_features = file.get<float>("query.skip.features", {d, d});
        bias = file.get<float>("query.bias", {d});
    }

    void read_features() {
        features = file.get<float>("feature.rows", {-1, config.dim});
        askers.emplace(file, config.columns, row_count(), users);
    }

    std::int64_t item_count() const { return static_cast<std::int64_t>(items.size() / dim); }
    std::int64_t row_count() const { return static_cast<std::int64_t>(features.size() / dim); }

    /// The sum of an asker's features; false when nothing is known.
    bool sum_features(const EncoderInput& input, std::span<float> to) const {
        bool known = false;
        for (const QueryFeature& feature : askers->of(input.user, input.context)) {
            add_row(features.data() + static_cast<std::size_t>(feature.row) * dim, scale * feature.x, to);
            known |= askers->tells(feature);
        }
        return known;
    }

    /// The latest clicks' vectors, oldest first, without those of items of which nothing is known.
    std::vector<float> clicked(std::span<const std::int32_t> clicks) const {
        clicks = clicks.last(std::min(clicks.size(), static_cast<std::size_t>(config.max_len)));
        std::vector<float> rows;
        rows.reserve(clicks.size() * dim);
        for (const std::int32_t click : clicks) {
            if (click < 0 || click >= item_count())
                throw Error(sqlstate::kInternal, "item index is out of range");
            const auto row = items.subspan(static_cast<std::size_t>(click) * dim, dim);
            if (std::ranges::all_of(row, [](float x) { return x == 0; })) continue;
            for (const float x : row) rows.push_back(scale * x);
        }
        return rows;
    }

    /// What head `h` pools of the clicks' `rows` when the latest asks with `query`, into `pooled`.
    void pool(std::size_t h, std::span<const float> rows, const float* query, std::span<float> pooled) const {
        const std::size_t count = rows.size() / dim;
        std::vector<float> key(dim), scores(count);
        const float* keys = attention.data() + (dim + h * width) * dim;
        const float factor = 1 / std::sqrt(static_cast<float>(width));
        for (std::size_t i = 0; i < width; ++i) add_row(keys + i * dim, factor * query[i], key);
        dot_products(rows.data(), count, dim, key.data(), scores.data());
        const float* ages = relative.data() + h * static_cast<std::size_t>(config.max_len);
        for (std::size_t i = 0; i < count; ++i) scores[i] += ages[count - 1 - i];
        softmax(scores);
        std::ranges::fill(pooled, 0.0f);
        for (std::size_t i = 0; i < count; ++i) add_row(rows.data() + i * dim, scores[i], pooled);
    }

    /// What is attended to and the latest click, side by side.
    void attend(std::span<const float> rows, std::span<float> seen) const {
        const std::span<const float> latest = rows.last(dim);
        std::vector<float> query(dim), pooled(dim);
        dot_products(attention.data(), dim, dim, latest.data(), query.data());
        for (std::size_t d = 0; d < dim; ++d) query[d] += attention_bias[d];
        const float* values = attention.data() + 2 * dim * dim;
        for (std::size_t h = 0; h < dim / width; ++h) {
            pool(h, rows, query.data() + h * width, pooled);
            dot_products(values + h * width * dim, width, dim, pooled.data(), seen.data() + h * width);
        }
        for (std::size_t d = 0; d < dim; ++d) seen[d] += attention_bias[2 * dim + d];
        std::ranges::copy(latest, seen.begin() + static_cast<std::ptrdiff_t>(dim));
    }

    void answer(std::span<const float> seen, std::span<const float> of_user, std::span<float> out) const {
        std::vector<float> inner(wide_bias.begin(), wide_bias.end()), scratch(std::max(inner.size(), dim));
        add_product(wide, seen, inner, scratch);
        add_product(wide_features, of_user, inner, scratch);
        for (float& x : inner) x = gelu(x);
        std::ranges::copy(bias, out.begin());
        add_product(skip, seen, out, scratch);
        add_product(skip_features, of_user, out, scratch);
        add_product(narrow, inner, out, scratch);
    }
};

TwoTowerEncoder::TwoTowerEncoder(const SafetensorsFile& file) : impl_(std::make_unique<const Impl>(file)) {}
TwoTowerEncoder::~TwoTowerEncoder() = default;

int TwoTowerEncoder::dim() const { return static_cast<int>(impl_->dim); }
int TwoTowerEncoder::reach() const { return static_cast<int>(impl_->config.max_len); }

Encoded TwoTowerEncoder::encode(const EncoderInput& input, std::span<float> out, Precision) const {
    if (out.size() != impl_->dim || input.user < -1 || input.user >= impl_->users)
        throw Error(sqlstate::kInternal, "encoder called with a wrong size or user");
    std::vector<float> of_user(impl_->dim), seen(2 * impl_->dim);
    const bool described = impl_->sum_features(input, of_user);
    const std::vector<float> rows = impl_->clicked(input.clicks);
    if (rows.empty() && !described) {
        std::ranges::fill(out, 0.0f);
        return {.known = false};
    }
    if (!rows.empty()) impl_->attend(rows, seen);
    impl_->answer(seen, of_user, out);
    return {.known = normalise(out)};
}

std::vector<std::string> TwoTowerEncoder::unknown_context(const json& context) const {
    return impl_->askers->context().unknown(context);
}

namespace {

std::unique_ptr<const Encoder> open_encoder(const SafetensorsFile& model) {
    return std::make_unique<const TwoTowerEncoder>(model);
}

}  // namespace

constinit const Kind kTwoTower = {
    .name = "two_tower",
    .meaning =
        "a tower for items, over their text, features and ids, and one for users, over what they clicked and "
        "their features: items and users that were not there at training are answered for",
    .form = {.link = Link::Cosine},
    .needs = {.items = true, .users = true, .text = true},
    .options = kOptions,
    .shape = kShape,
    .check = check_width,
    .open = open_encoder};

}  // namespace seqrec
