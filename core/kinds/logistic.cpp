// Kind `logistic`: options, what is read from the file, and the query. Everything the trainer must do alike is
// in LogisticQuery, which it calls itself.
#include "core/kinds/logistic.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "core/error.hpp"
#include "core/kinds/model_config.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using enum OptionType;

constexpr OptionSpec kOptions[] = {
    {"ids", Boolean, 0, 0, "true", "",
     "whether users and items have weights of their own; false = features alone, for those that are new"},
    {"crosses", Json, 0, 0, "\"auto\"", "",
     "pairs of a column of users or context and one of items that count together: auto = all, or a list such "
     "as [[\"gender\", \"genres\"]], where user_id and item_id are columns too, or none"},
    {"positive_from", Real, -1e15, 1e15, "null", "",
     "the least number of the label that is a positive; null = true, or 1 of 0 and 1"},
    {"negatives", Integer, 1, 1000, "4", "",
     "items drawn to stand against each interaction where there is no label"},
    {"l2", Real, 0, 1e9, "null", "",
     "weight of the squared coefficients; null = for each group of them from the data (empirical Bayes)"},
    {"calibration", Text, 0, 0, "\"platt\"", "platt|none",
     "platt = probabilities are fitted on the validation, that nothing was trained on"},
    {"epochs", Integer, 1, 100000, "null", "", "most rounds in which the penalties are chosen anew"},
    {"split", Text, 0, 0, "\"time\"", "time|random|leave_one_out",
     "what is held out to measure: the last fifth of all by time, a fifth at random, or the last two "
     "interactions of a user"},
};

bool is_pair(const json& pair) {
    return pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
}

void check_options(const json& options) {
    const json& crosses = options.at("crosses");
    const bool valid = crosses == "auto" || crosses == "none" ||
                       (crosses.is_array() && std::ranges::all_of(crosses, is_pair));
    if (!valid)
        throw Error(sqlstate::kInvalidParameter,
                    "option \"crosses\" is neither auto nor none nor a list of pairs",
                    R"(For example {"crosses": [["gender", "genres"], ["user_id", "price"]]}.)");
    if (!options.at("positive_from").is_null() && options.at("label").is_null())
        throw Error(sqlstate::kInvalidParameter, "option \"positive_from\" is given without a label",
                    R"(Name the column that it speaks of: {"label": "stars", "positive_from": 4}.)");
}

void add_row(std::span<const float> rows, std::int64_t row, float x, std::span<float> out) {
    const float* from = rows.data() + row * static_cast<std::int64_t>(out.size());
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += x * from[d];
}

}  // namespace

void LogisticQuery::read_config(const std::string& text) try {
    const json config = json::parse(text);
    for (const json& column : config.at("columns")) columns.push_back(read_column(column));
    clicks_mean = config.at("clicks").at("mean");
    clicks_deviation = config.at("clicks").at("deviation");
    block = config.at("block");
} catch (const json::exception& error) {
    corrupted_model(error.what());
}

Encoded LogisticQuery::encode(std::span<const std::int32_t> clicks, std::int32_t user,
                              std::span<const QueryFeature> given, const std::vector<bool>& overridden,
                              std::span<float> out) const {
    std::ranges::fill(out, 0.0f);
    add_row(rows, 0, 1, out);
    clicks = clicks.last(std::min(clicks.size(), kLogisticReach));
    const double count = std::log1p(static_cast<double>(clicks.size()));
    add_row(rows, 1, standardised(count, clicks_mean, clicks_deviation), out);
    if (user >= 0) {
        add_row(users, user, 1, out);
        const auto begin = user_offsets[static_cast<std::size_t>(user)],
                   end = user_offsets[static_cast<std::size_t>(user) + 1];
        if (begin < 0 || end < begin || end > static_cast<std::int64_t>(user_rows.size()))
            corrupted_model("features of a user leave their tensor");
        for (auto at = static_cast<std::size_t>(begin); at < static_cast<std::size_t>(end); ++at) {
            const std::int32_t row = user_rows[at];
            if (row < 0 || row >= static_cast<std::int64_t>(overridden.size()))
                corrupted_model("a feature of a user is out of range");
            if (!overridden[static_cast<std::size_t>(row)]) add_row(rows, row, user_values[at], out);
        }
    }
    for (const QueryFeature& feature : given) add_row(rows, feature.row, feature.x, out);
    const auto width = static_cast<std::size_t>(block);
    std::vector<float> mean(width);
    for (std::size_t m = 0; m < std::size(kLogisticDecays) && !clicks.empty(); ++m) {
        std::ranges::fill(mean, 0.0f);
        float weight = 1, total = 0;
        for (std::size_t age = 0; age < clicks.size(); ++age) {
            const float* item = items.data() + clicks[clicks.size() - 1 - age] * dim;
            for (std::size_t j = 0; j < width; ++j) mean[j] += weight * item[j];
            total += weight;
            weight *= kLogisticDecays[m];
        }
        for (std::size_t j = 0; j < width; ++j) out[j] += affinity[m * width + j] * mean[j] / total;
    }
    const float offset = std::exchange(out.back(), 1.0f);
    return {.known = true, .offset = offset};  // of a stranger, too, there is a probability
}

struct LogisticEncoder::Impl {
    const SafetensorsFile& file;
    LogisticQuery query;
    std::optional<ContextColumns> context;

    explicit Impl(const SafetensorsFile& file) : file(file) {
        const Shape& shape = file.tensor("item.embedding").shape;
        if (shape.size() != 2 || shape[1] < 1 || shape[1] > 65536)
            corrupted_model("item.embedding is no matrix");
        query.dim = shape[1];
        query.items = file.get<float>("item.embedding", {-1, query.dim});
        query.users = file.get<float>("user.embedding", {-1, query.dim});
        query.rows = file.get<float>("feature.rows", {-1, query.dim});
        query.user_offsets = file.get<std::int64_t>("feature.user.offsets", {user_count() + 1});
        query.user_rows = file.get<std::int32_t>("feature.user.rows", {-1});
        query.user_values =
            file.get<float>("feature.user.values", {static_cast<std::int64_t>(query.user_rows.size())});
        query.read_config(file.meta("config"));
        if (row_count() < 2 || query.block < 0 || query.block >= query.dim)
            corrupted_model("its parts have wrong sizes");
        query.affinity = file.get<float>("affinity", {2, query.block});
        context.emplace(query.columns, 2, row_count(),
                        file.get<std::int64_t>("feature.value.offsets", {row_count() + 1}),
                        file.get<std::uint8_t>("feature.value.bytes", {-1}));
    }

    std::int64_t user_count() const { return static_cast<std::int64_t>(query.users.size()) / query.dim; }
    std::int64_t item_count() const { return static_cast<std::int64_t>(query.items.size()) / query.dim; }
    std::int64_t row_count() const { return static_cast<std::int64_t>(query.rows.size()) / query.dim; }
};

LogisticEncoder::LogisticEncoder(const SafetensorsFile& file) : impl_(std::make_unique<const Impl>(file)) {}
LogisticEncoder::~LogisticEncoder() = default;

int LogisticEncoder::dim() const { return static_cast<int>(impl_->query.dim); }
int LogisticEncoder::reach() const { return static_cast<int>(kLogisticReach); }

Encoded LogisticEncoder::encode(const EncoderInput& input, std::span<float> out, Precision) const {
    const LogisticQuery& query = impl_->query;
    if (out.size() != static_cast<std::size_t>(query.dim) || input.user < -1 ||
        input.user >= impl_->user_count())
        throw Error(sqlstate::kInternal, "encoder called with a wrong size or user");
    for (const std::int32_t item : input.clicks)
        if (item < 0 || item >= impl_->item_count())
            throw Error(sqlstate::kInternal, "item index is out of range");
    std::vector<QueryFeature> given;
    std::vector<bool> overridden(static_cast<std::size_t>(impl_->row_count()));
    if (input.context) impl_->context->read(*input.context, given, overridden);
    return query.encode(input.clicks, input.user, given, overridden, out);
}

std::vector<std::string> LogisticEncoder::unknown_context(const json& context) const {
    return impl_->context->unknown(context);
}

namespace {

std::unique_ptr<const Encoder> open_encoder(const SafetensorsFile& model) {
    return std::make_unique<const LogisticEncoder>(model);
}

}  // namespace

constinit const Kind kLogistic = {
    .name = "logistic",
    .meaning =
        "a logistic regression over features of users, items and context, and over what was clicked: "
        "calibrated probabilities, coefficients to read",
    .form = {.link = Link::Sigmoid, .item_bias = true, .user_offset = true},
    .needs = {.items = true, .users = true, .context = true, .label = true, .sequences = false},
    .options = kOptions,
    .shape = {},
    .check = check_options,
    .open = open_encoder};

}  // namespace seqrec
