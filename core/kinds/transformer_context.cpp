#include "core/kinds/transformer_context.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/kinds/model_config.hpp"

namespace seqrec {
namespace {

using nlohmann::json;

constexpr double kDay = 86400;
constexpr int kGaps = 26;  // up to 2^25 seconds, a year
constexpr std::int64_t kMostRows = 1 << 24;
constexpr const char *kHour = "hour", *kWeekday = "weekday", *kGap = "gap", *kTime = "time",
                     *kClicks = "clicks";

QueryColumn column_of(const char* name, std::int32_t first, std::vector<double> edges) {
    QueryColumn column{name, "number", first, static_cast<std::int32_t>(edges.size()) + 1};
    column.edges = std::move(edges);
    return column;
}

std::vector<double> whole_numbers(int from, int to) {
    std::vector<double> edges;
    for (int i = from; i <= to; ++i) edges.push_back(i);
    return edges;
}

std::vector<QueryColumn> read_columns(const json& config) try {
    std::vector<QueryColumn> columns;
    for (const json& column : config.at("context_columns")) columns.push_back(read_column(column));
    return columns;
} catch (const json::exception& error) {
    corrupted_model(error.what());
}

}  // namespace

double hour_of(double time) { return std::floor((time - kDay * std::floor(time / kDay)) / 3600); }

/// The first of January 1970 was a Thursday.
double weekday_of(double time) {
    const double day = std::floor(time / kDay) + 3;
    return day - 7 * std::floor(day / 7) + 1;
}

std::vector<QueryColumn> time_columns(std::int32_t first) {
    std::vector<double> gaps;
    for (int i = 0; i < kGaps; ++i) gaps.push_back(std::exp2(i));
    std::vector<QueryColumn> columns = {column_of(kHour, first, whole_numbers(1, 23)),
                                        column_of(kWeekday, first + 24, whole_numbers(2, 7)),
                                        column_of(kGap, first + 31, std::move(gaps))};
    return columns;
}

bool is_time_column(const QueryColumn& column) {
    return std::ranges::any_of(time_columns(0), [&](const QueryColumn& of_time) {
        return of_time.name == column.name && of_time.edges == column.edges && column.number < 0;
    });
}

std::int64_t MomentContext::rows_of(const json& config) {
    return is_in(config) ? whole_number(config, "context_rows", kMostRows) : 0;
}

MomentContext::MomentContext(const SafetensorsFile& file, const json& config)
    : columns_(read_columns(config)),
      rows_(rows_of(config)),
      context_(columns_, 0, rows_, file.get<std::int64_t>("context.value.offsets", {rows_ + 1}),
               file.get<std::uint8_t>("context.value.bytes", {-1})) {}

bool MomentContext::has(const char* column) const {
    return std::ranges::any_of(columns_, [&](const QueryColumn& known) { return known.name == column; });
}

/// With what the time tells, unless that is said itself, and without what is no column.
json MomentContext::expanded(const json& context) const {
    json all = context;
    if (!has(kClicks)) all.erase(kClicks);
    if (has(kTime) || !context.contains(kTime)) return all;
    all.erase(kTime);
    const std::optional<double> time = time_of(context.at(kTime));
    if (!time || !std::isfinite(*time)) return all;
    if (has(kHour) && !all.contains(kHour)) all[kHour] = hour_of(*time);
    if (has(kWeekday) && !all.contains(kWeekday)) all[kWeekday] = weekday_of(*time);
    return all;
}

std::vector<QueryFeature> MomentContext::of(const json& context) const {
    std::vector<QueryFeature> features;
    std::vector<bool> overridden(static_cast<std::size_t>(rows_));
    context_.read(expanded(context), features, overridden);
    return features;
}

ClickFeatures MomentContext::of_clicks(const json& context, std::span<const std::int32_t> places) const {
    ClickFeatures clicks;
    const auto said = context.find(kClicks);
    if (has(kClicks) || said == context.end() || !said->is_array()) return clicks;
    for (const std::int32_t place : places) {
        const auto at = static_cast<std::size_t>(place);
        const bool tells = place >= 0 && at < said->size() && (*said)[at].is_object();
        clicks.push_back(tells ? of((*said)[at]) : std::vector<QueryFeature>());
    }
    return clicks;
}

std::vector<std::string> MomentContext::unknown(const json& context) const {
    std::vector<std::string> unknown = context_.unknown(context);
    const auto means = [&](const std::string& key) {
        if (key == kClicks) return context.at(key).is_array();
        return key == kTime && (has(kHour) || has(kWeekday)) && time_of(context.at(key)).has_value();
    };
    std::erase_if(unknown, means);
    return unknown;
}

}  // namespace seqrec
