#include "core/kinds/query_columns.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <regex>

#include "core/error.hpp"
#include "core/kinds/model_config.hpp"

namespace seqrec {
namespace {

using nlohmann::json;

/// Seconds that a zone is ahead of UTC: nothing, Z, or such as +08, +0530, -03:30, as jsonb has them.
int zone_of(const std::string& zone) {
    if (zone.empty() || zone == "Z") return 0;
    const int hours = std::stoi(zone.substr(1, 2)),
              minutes = zone.size() > 3 ? std::stoi(zone.substr(zone.size() - 2)) : 0;
    return (zone[0] == '-' ? -60 : 60) * (60 * hours + minutes);
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

namespace {

/// Casts would cut what does not fit.
std::int32_t row_number(const json& column, const char* name) {
    const json& value = column.at(name);
    if (!value.is_number_integer() || value < -1 || value > std::numeric_limits<std::int32_t>::max())
        corrupted_model(std::string(name) + " of a column is out of range");
    return value.get<std::int32_t>();
}

}  // namespace

QueryColumn read_column(const json& column) {
    QueryColumn read{column.at("name"), column.at("type"), row_number(column, "first"),
                     row_number(column, "count")};
    read.number = row_number(column, "number");
    read.missing = row_number(column, "missing");
    read.hashed = row_number(column, "hashed");
    read.mean = column.at("mean");
    read.deviation = column.at("deviation");
    read.edges = column.at("edges").get<std::vector<double>>();
    read.now = column.at("now");
    return read;
}

json describe_column(const QueryColumn& column) {
    return {{"name", column.name},     {"type", column.type},     {"first", column.first},
            {"count", column.count},   {"number", column.number}, {"missing", column.missing},
            {"hashed", column.hashed}, {"mean", column.mean},     {"deviation", column.deviation},
            {"edges", column.edges},   {"now", column.now}};
}

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

ContextColumns::ContextColumns(const std::vector<QueryColumn>& columns, std::int64_t first, std::int64_t rows,
                               std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes)
    : columns_(columns), rows_(rows), offsets_(offsets), bytes_(bytes) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
        check(columns[c], first);
        columns_of_.emplace(columns[c].name, c);
    }
}

void ContextColumns::check(const QueryColumn& column, std::int64_t first) const {
    const std::int64_t last = static_cast<std::int64_t>(column.first) + column.count;
    const bool valid = column.first >= first && column.count >= 0 && last <= rows_ && column.number < rows_ &&
                       column.missing < rows_ && column.hashed >= 0 && column.hashed <= column.count &&
                       static_cast<std::int64_t>(column.edges.size()) <= column.count;
    if (!valid) corrupted_model("column " + column.name + " has rows that are not there");
}

std::string_view ContextColumns::value(std::int64_t row) const {
    const auto begin = offsets_[static_cast<std::size_t>(row)],
               end = offsets_[static_cast<std::size_t>(row) + 1];
    if (begin < 0 || end < begin || end > static_cast<std::int64_t>(bytes_.size()))
        corrupted_model("values of features leave their tensor");
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, static_cast<std::size_t>(end - begin)};
}

void ContextColumns::index_values() const {
    value_rows_.resize(columns_.size());
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        const QueryColumn& column = columns_[c];
        if (column.type != "category") continue;
        for (std::int32_t v = 0; v < column.count - column.hashed; ++v)
            value_rows_[c].emplace(value(column.first + v), column.first + v);
    }
}

/// The row of a category's value, -1 for one that the column does not have.
std::int32_t ContextColumns::row_of(std::size_t column, std::string_view text) const {
    std::call_once(once_, [this] { index_values(); });
    const auto found = value_rows_[column].find(text);
    if (found != value_rows_[column].end()) return found->second;
    const QueryColumn& of = columns_[column];
    return of.hashed > 0 ? of.first + of.count - of.hashed + hashed_value(text, of.hashed) : -1;
}

bool ContextColumns::add_number(const QueryColumn& column, double number,
                                std::vector<QueryFeature>& to) const {
    if (!std::isfinite(number)) return false;
    if (column.number >= 0)
        to.push_back({column.number, standardised(number, column.mean, column.deviation)});
    if (column.count > 0)
        to.push_back({column.first + std::min(bin_of(column.edges, number), column.count - 1), 1});
    return true;
}

bool ContextColumns::add_values(std::size_t column, const std::vector<std::string>& texts,
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
bool ContextColumns::add(std::size_t number, const json& value, std::vector<QueryFeature>& to) const {
    const QueryColumn& column = columns_[number];
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

void ContextColumns::read(const json& context, std::vector<QueryFeature>& given,
                          std::vector<bool>& overridden) const {
    for (const auto& [key, value] : context.items()) {
        const auto [begin, end] = columns_of_.equal_range(key);
        for (auto at = begin; at != end; ++at) {
            const QueryColumn& column = columns_[at->second];
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

bool ContextColumns::is_known(const std::string& key, const json& value) const {
    const auto [begin, end] = columns_of_.equal_range(key);
    std::vector<QueryFeature> ignored;
    return std::any_of(begin, end, [&](const auto& column) { return add(column.second, value, ignored); });
}

std::vector<std::string> ContextColumns::unknown(const json& context) const {
    std::vector<std::string> unknown;
    for (const auto& [key, value] : context.items())
        if (!is_known(key, value)) unknown.push_back(key);
    return unknown;
}

AskerFeatures::AskerFeatures(const SafetensorsFile& file, const std::vector<QueryColumn>& columns,
                             std::int64_t rows, std::int64_t users)
    : rows_(rows),
      user_offsets_(file.get<std::int64_t>("feature.user.offsets", {users + 1})),
      user_rows_(file.get<std::int32_t>("feature.user.rows", {-1})),
      user_values_(file.get<float>("feature.user.values", {static_cast<std::int64_t>(user_rows_.size())})),
      context_(columns, 0, rows, file.get<std::int64_t>("feature.value.offsets", {rows + 1}),
               file.get<std::uint8_t>("feature.value.bytes", {-1})),
      missing_(static_cast<std::size_t>(rows)) {
    for (const QueryColumn& column : columns)
        if (column.missing >= 0) missing_[static_cast<std::size_t>(column.missing)] = true;
}

std::vector<QueryFeature> AskerFeatures::of(std::int64_t user, const json* context) const {
    std::vector<QueryFeature> features;
    std::vector<bool> overridden(missing_.size());
    if (context) context_.read(*context, features, overridden);
    if (user >= 0) add_of_user(static_cast<std::size_t>(user), overridden, features);
    return features;
}

void AskerFeatures::add_of_user(std::size_t user, const std::vector<bool>& overridden,
                                std::vector<QueryFeature>& to) const {
    const std::int64_t begin = user_offsets_[user], end = user_offsets_[user + 1];
    if (begin < 0 || end < begin || end > static_cast<std::int64_t>(user_rows_.size()))
        corrupted_model("features of a user leave their tensor");
    for (auto at = static_cast<std::size_t>(begin); at < static_cast<std::size_t>(end); ++at) {
        if (user_rows_[at] < 0 || user_rows_[at] >= rows_)
            corrupted_model("a feature of a user is out of range");
        if (!overridden[static_cast<std::size_t>(user_rows_[at])])
            to.push_back({user_rows_[at], user_values_[at]});
    }
}

}  // namespace seqrec
