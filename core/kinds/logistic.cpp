// Kind `logistic`: options, what is read from the file, and the query. Everything the trainer must do alike is
// in LogisticQuery, which it calls itself.
#include "core/kinds/logistic.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>
#include <regex>

#include "core/error.hpp"

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

[[noreturn]] void corrupted(const std::string& what) {
    throw Error(sqlstate::kDataCorrupted, "model is not valid: " + what, "Train the model again.");
}

QueryColumn read_column(const json& column) {
    QueryColumn read{column.at("name"), column.at("type"), column.at("first"), column.at("count")};
    read.number = column.at("number");
    read.missing = column.at("missing");
    read.hashed = column.at("hashed");
    read.mean = column.at("mean");
    read.deviation = column.at("deviation");
    read.edges = column.at("edges").get<std::vector<double>>();
    read.now = column.at("now");
    return read;
}

void add_row(std::span<const float> rows, std::int64_t row, float x, std::span<float> out) {
    const float* from = rows.data() + row * static_cast<std::int64_t>(out.size());
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += x * from[d];
}

}  // namespace

std::int32_t bin_of(const std::vector<double>& edges, double number) {
    return static_cast<std::int32_t>(std::ranges::upper_bound(edges, number) - edges.begin());
}

float standardised(double number, double mean, double deviation) {
    const double most = kMostDeviations;
    return static_cast<float>(std::clamp(number / deviation - mean / deviation, -most, most));
}

std::int32_t hashed_value(std::string_view value, std::int32_t hashed) {
    std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a: the same in every build, as files need it
    for (const char c : value) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    return static_cast<std::int32_t>((hash ^ (hash >> 32)) % static_cast<std::uint64_t>(hashed));
}

void LogisticQuery::read_config(const std::string& text) try {
    const json config = json::parse(text);
    for (const json& column : config.at("columns")) columns.push_back(read_column(column));
    clicks_mean = config.at("clicks").at("mean");
    clicks_deviation = config.at("clicks").at("deviation");
    block = config.at("block");
} catch (const json::exception& error) {
    corrupted(error.what());
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
            corrupted("features of a user leave their tensor");
        for (auto at = static_cast<std::size_t>(begin); at < static_cast<std::size_t>(end); ++at) {
            const std::int32_t row = user_rows[at];
            if (row < 0 || row >= static_cast<std::int64_t>(overridden.size()))
                corrupted("a feature of a user is out of range");
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
    std::span<const std::int64_t> value_offsets;
    std::span<const std::uint8_t> value_bytes;
    std::unordered_multimap<std::string_view, std::size_t> columns_of;  // users and context may share a name
    mutable std::once_flag once{};
    mutable std::vector<std::unordered_map<std::string_view, std::int32_t>> value_rows{};  // made when asked

    explicit Impl(const SafetensorsFile& file) : file(file) {
        const Shape& shape = file.tensor("item.embedding").shape;
        if (shape.size() != 2 || shape[1] < 1 || shape[1] > 65536) corrupted("item.embedding is no matrix");
        query.dim = shape[1];
        query.items = file.get<float>("item.embedding", {-1, query.dim});
        query.users = file.get<float>("user.embedding", {-1, query.dim});
        query.rows = file.get<float>("feature.rows", {-1, query.dim});
        query.user_offsets = file.get<std::int64_t>("feature.user.offsets", {user_count() + 1});
        query.user_rows = file.get<std::int32_t>("feature.user.rows", {-1});
        query.user_values =
            file.get<float>("feature.user.values", {static_cast<std::int64_t>(query.user_rows.size())});
        value_offsets = file.get<std::int64_t>("feature.value.offsets", {row_count() + 1});
        value_bytes = file.get<std::uint8_t>("feature.value.bytes", {-1});
        query.read_config(file.meta("config"));
        if (row_count() < 2 || query.block < 0 || query.block >= query.dim)
            corrupted("its parts have wrong sizes");
        query.affinity = file.get<float>("affinity", {2, query.block});
        for (std::size_t c = 0; c < query.columns.size(); ++c) check(query.columns[c], c);
    }

    std::int64_t user_count() const { return static_cast<std::int64_t>(query.users.size()) / query.dim; }
    std::int64_t item_count() const { return static_cast<std::int64_t>(query.items.size()) / query.dim; }
    std::int64_t row_count() const { return static_cast<std::int64_t>(query.rows.size()) / query.dim; }

    void check(const QueryColumn& column, std::size_t number) {
        const std::int64_t rows = row_count();
        const std::int64_t last = static_cast<std::int64_t>(column.first) + column.count;
        const bool valid = column.first >= 2 && column.count >= 0 && last <= rows && column.number < rows &&
                           column.missing < rows && column.hashed >= 0 && column.hashed <= column.count &&
                           static_cast<std::int64_t>(column.edges.size()) <= column.count;
        if (!valid) corrupted("column " + column.name + " has rows that are not there");
        columns_of.emplace(column.name, number);
    }

    std::string_view value(std::int64_t row) const {
        const auto begin = value_offsets[static_cast<std::size_t>(row)],
                   end = value_offsets[static_cast<std::size_t>(row) + 1];
        if (begin < 0 || end < begin || end > static_cast<std::int64_t>(value_bytes.size()))
            corrupted("values of features leave their tensor");
        return {reinterpret_cast<const char*>(value_bytes.data()) + begin,
                static_cast<std::size_t>(end - begin)};
    }

    void index_values() const {
        value_rows.resize(query.columns.size());
        for (std::size_t c = 0; c < query.columns.size(); ++c) {
            const QueryColumn& column = query.columns[c];
            if (column.type != "category") continue;
            for (std::int32_t v = 0; v < column.count - column.hashed; ++v)
                value_rows[c].emplace(value(column.first + v), column.first + v);
        }
    }

    /// The row of a category's value, -1 for one that the column does not have.
    std::int32_t row_of(std::size_t column, std::string_view text) const {
        std::call_once(once, [this] { index_values(); });
        const auto found = value_rows[column].find(text);
        if (found != value_rows[column].end()) return found->second;
        const QueryColumn& of = query.columns[column];
        return of.hashed > 0 ? of.first + of.count - of.hashed + hashed_value(text, of.hashed) : -1;
    }

    bool add_number(const QueryColumn& column, double number, std::vector<QueryFeature>& to) const {
        if (!std::isfinite(number)) return false;
        if (column.number >= 0)
            to.push_back({column.number, standardised(number, column.mean, column.deviation)});
        if (column.count > 0)
            to.push_back({column.first + std::min(bin_of(column.edges, number), column.count - 1), 1});
        return true;
    }

    bool add_values(std::size_t column, const std::vector<std::string>& texts,
                    std::vector<QueryFeature>& to) const {
        const float share = 1 / std::sqrt(static_cast<float>(texts.size()));
        bool all = true;
        for (const std::string& text : texts) {
            const std::int32_t row = row_of(column, text);
            if (row >= 0)
                to.push_back({row, share});
            else
                all = false;
        }
        return all;
    }

    /// What a value of the context is in rows; false when the column can't have it.
    bool add(std::size_t number, const json& value, std::vector<QueryFeature>& to) const;
    /// What a context says, and which rows it takes the place of.
    void read(const json& context, std::vector<QueryFeature>& given, std::vector<bool>& overridden) const;
    bool is_known(const std::string& key, const json& value) const;
};

namespace {

/// Seconds that a zone is ahead of UTC: nothing, Z, or such as +08, +0530, -03:30, as jsonb has them.
int zone_of(const std::string& zone) {
    if (zone.empty() || zone == "Z") return 0;
    const int hours = std::stoi(zone.substr(1, 2)),
              minutes = zone.size() > 3 ? std::stoi(zone.substr(zone.size() - 2)) : 0;
    return (zone[0] == '-' ? -60 : 60) * (60 * hours + minutes);
}

/// Seconds since 1970 of a number, or of a text in ISO 8601; without a zone it is UTC.
std::optional<double> time_of(const json& value) {
    if (value.is_number()) return value.get<double>();
    if (!value.is_string()) return std::nullopt;
    static const std::regex form(R"((\d{4,5})-(\d\d)-(\d\d))"
                                 R"((?:[ T]([01]\d|2[0-4]):([0-5]\d)(?::([0-5]\d(?:\.\d{1,9})?))?)?)"
                                 R"( ?(Z|[+-][01]\d(?::?[0-5]\d)?)?( BC)?)");
    std::smatch part;
    const std::string& text = value.get_ref<const std::string&>();
    if (text.size() > 64 || !std::regex_match(text, part, form)) return std::nullopt;
    const auto number = [&](std::size_t i) { return part[i].matched ? std::stod(part[i]) : 0.0; };
    const int year = part[8].matched ? 1 - std::stoi(part[1]) : std::stoi(part[1]);
    const std::chrono::year_month_day day{std::chrono::year(year),
                                          std::chrono::month(static_cast<unsigned>(number(2))),
                                          std::chrono::day(static_cast<unsigned>(number(3)))};
    if (!day.ok()) return std::nullopt;
    const auto days = std::chrono::sys_days(day).time_since_epoch().count();
    return static_cast<double>(days) * 86400 + number(4) * 3600 + number(5) * 60 + number(6) -
           zone_of(part[7]);
}

/// The texts of a category's value, or nothing when it can't be one.
std::optional<std::vector<std::string>> texts_of(const json& value) {
    if (value.is_string()) return std::vector{value.get<std::string>()};
    if (value.is_boolean()) return std::vector<std::string>{value.get<bool>() ? "true" : "false"};
    if (value.is_number()) return std::vector{value.dump()};
    if (!value.is_array() || value.empty()) return std::nullopt;
    std::vector<std::string> texts;
    for (const json& element : value) {
        const auto one = texts_of(element);
        if (!one || one->size() != 1) return std::nullopt;
        if (std::ranges::find(texts, one->front()) == texts.end()) texts.push_back(one->front());
    }
    return texts;
}

}  // namespace

bool LogisticEncoder::Impl::add(std::size_t number, const json& value, std::vector<QueryFeature>& to) const {
    const QueryColumn& column = query.columns[number];
    if (value.is_null()) {
        if (column.missing >= 0) to.push_back({column.missing, 1});
        return true;
    }
    if (column.type == "number") return value.is_number() && add_number(column, value.get<double>(), to);
    if (column.type == "time") {
        const auto time = time_of(value);
        return time && add_number(column, column.now - *time, to);
    }
    const auto texts = texts_of(value);
    return texts && add_values(number, *texts, to);
}

void LogisticEncoder::Impl::read(const json& context, std::vector<QueryFeature>& given,
                                 std::vector<bool>& overridden) const {
    for (const auto& [key, value] : context.items()) {
        const auto [begin, end] = columns_of.equal_range(key);
        for (auto at = begin; at != end; ++at) {
            const QueryColumn& column = query.columns[at->second];
            const std::size_t before = given.size();
            (void)add(at->second, value, given);
            if (given.size() == before && !value.is_null())
                continue;  // it says nothing: what was known stands
            std::fill_n(overridden.begin() + column.first, column.count, true);
            for (const std::int32_t row : {column.number, column.missing})
                if (row >= 0) overridden[static_cast<std::size_t>(row)] = true;
        }
    }
}

bool LogisticEncoder::Impl::is_known(const std::string& key, const json& value) const {
    const auto [begin, end] = columns_of.equal_range(key);
    std::vector<QueryFeature> ignored;
    return std::any_of(begin, end, [&](const auto& column) { return add(column.second, value, ignored); });
}

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
    if (input.context) impl_->read(*input.context, given, overridden);
    return query.encode(input.clicks, input.user, given, overridden, out);
}

std::vector<std::string> LogisticEncoder::unknown_context(const json& context) const {
    std::vector<std::string> unknown;
    for (const auto& [key, value] : context.items())
        if (!impl_->is_known(key, value)) unknown.push_back(key);
    return unknown;
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
    .needs = {.items = true, .users = true, .context = true, .sequences = false},
    .options = kOptions,
    .shape = {},
    .check = check_options,
    .open = open_encoder};

}  // namespace seqrec
