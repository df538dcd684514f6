#include "kinds/shared/user_features.hpp"

#include <algorithm>
#include <unordered_map>

#include "core/error.hpp"
#include "kinds/shared/columns.hpp"
#include "kinds/shared/texts.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

double latest_time(const Dataset& data) {
    double latest = 0;
    for (const double time : data.seen_until())
        if (std::isfinite(time)) latest = std::max(latest, time);
    return latest;
}

std::vector<Sighting> sightings_of(const Dataset& data, double now) {
    std::vector<Sighting> sightings;
    for (std::int64_t u = 0; u < data.users(); ++u) sightings.push_back({u, now});
    return sightings;
}

[[noreturn]] void corrupted(const std::string& what) {
    throw Error(sqlstate::kDataCorrupted, "model is not valid: " + what, "Train the model again.");
}

}  // namespace

UserFeatures::UserFeatures(const Dataset& data) {
    const std::vector<FeatureColumn> sources = read_features(data.file(), Side::User, data.users());
    const double now = latest_time(data);
    std::vector<Column> columns;
    std::vector<QueryColumn> described;
    for (const FeatureColumn& source : sources) {
        Column column(source, sightings_of(data, now), now);
        described.push_back(column.described(static_cast<std::int32_t>(values_.size())));
        columns_.push_back(describe_column(described.back()));
        for (std::int32_t f = 0; f < column.features(); ++f) values_.push_back(column.value(f));
        columns.push_back(std::move(column));
    }
    name_rows(described);
    std::vector<Entry> entries;
    for (std::int64_t u = 0; u < data.users(); ++u) {
        for (std::size_t c = 0; c < columns.size(); ++c) {
            entries.clear();
            columns[c].append(u, now, entries);
            for (const Entry& entry : entries)
                features_.push_back({described[c].first + entry.feature, entry.x});
        }
        offsets_.push_back(static_cast<std::int64_t>(features_.size()));
    }
}

UserFeatures UserFeatures::of_unknown(std::int64_t users) {
    UserFeatures features;
    features.offsets_.assign(static_cast<std::size_t>(users) + 1, 0);
    return features;
}

void UserFeatures::name_rows(const std::vector<QueryColumn>& columns) {
    names_.resize(values_.size());
    missing_.resize(values_.size());
    const auto name = [&](std::int32_t row, const std::string& as) {
        if (row >= 0) names_[static_cast<std::size_t>(row)] = as;
    };
    for (const QueryColumn& column : columns) {
        const std::string prefix = column.name + '\n' + column.type + '\n';
        for (std::int32_t v = 0; v < column.count; ++v)
            name(column.first + v, prefix + "=" + values_[static_cast<std::size_t>(column.first + v)]);
        name(column.number, prefix + "number");
        name(column.missing, prefix + "missing");
        if (column.missing >= 0) missing_[static_cast<std::size_t>(column.missing)] = true;
    }
}

UserFeatures::UserFeatures(const SafetensorsFile& file) try
    : columns_(json::parse(file.meta("config")).at("columns")) {
    const auto texts = file.get<std::int64_t>("feature.value.offsets", {-1});
    const auto bytes = file.get<std::uint8_t>("feature.value.bytes", {-1});
    for (std::size_t row = 0; row + 1 < texts.size(); ++row) {
        if (texts[row] < 0 || texts[row + 1] < texts[row] || texts[row + 1] > std::ssize(bytes))
            corrupted("values of features leave their tensor");
        values_.emplace_back(reinterpret_cast<const char*>(bytes.data()) + texts[row],
                             static_cast<std::size_t>(texts[row + 1] - texts[row]));
    }
    std::vector<QueryColumn> columns;
    for (const json& column : columns_) columns.push_back(read_column(column));
    const ContextColumns checked(columns, 0, std::ssize(values_), texts, bytes);
    name_rows(columns);
    const auto offsets = file.get<std::int64_t>("feature.user.offsets", {-1});
    const auto rows = file.get<std::int32_t>("feature.user.rows", {-1});
    const auto x = file.get<float>("feature.user.values", {std::ssize(rows)});
    offsets_.assign(offsets.begin(), offsets.end());
    for (std::size_t i = 0; i < rows.size(); ++i) features_.push_back({rows[i], x[i]});
    const bool in_range =
        std::ranges::all_of(rows, [&](std::int32_t row) { return row >= 0 && row < this->rows(); });
    if (!in_range || offsets_.empty() || offsets_[0] != 0 || !std::ranges::is_sorted(offsets_) ||
        offsets_.back() != std::ssize(rows))
        corrupted("features of users leave their tensor");
} catch (const json::exception& error) {
    corrupted(error.what());
}

std::span<const QueryFeature> UserFeatures::of(std::int64_t user) const {
    const auto u = static_cast<std::size_t>(user);
    return std::span(features_).subspan(static_cast<std::size_t>(offsets_[u]),
                                        static_cast<std::size_t>(offsets_[u + 1] - offsets_[u]));
}

bool UserFeatures::knows(std::int64_t user) const {
    return std::ranges::any_of(of(user), [&](const QueryFeature& feature) {
        return !missing_[static_cast<std::size_t>(feature.row)];
    });
}

std::vector<NamedTensor> UserFeatures::tensors() const {
    Texts texts;
    for (const std::string& value : values_) texts.add(value);
    std::vector<std::int32_t> rows;
    std::vector<float> x;
    for (const QueryFeature& feature : features_) {
        rows.push_back(feature.row);
        x.push_back(feature.x);
    }
    return {{"feature.value.offsets", texts.offsets()},
            {"feature.value.bytes", texts.bytes()},
            {"feature.user.offsets", tensor_of(offsets_, at::kLong)},
            {"feature.user.rows", tensor_of(rows, at::kInt)},
            {"feature.user.values", tensor_of(x, at::kFloat)}};
}

void take_feature_rows(const Tensor& fresh, const UserFeatures& now, const Tensor& earlier,
                       const UserFeatures& then) {
    std::unordered_map<std::string, std::int64_t> rows;
    for (std::size_t r = 0; r < then.names().size(); ++r)
        rows.emplace(then.names()[r], static_cast<std::int64_t>(r));
    for (std::size_t r = 0; r < now.names().size(); ++r)
        if (const auto found = rows.find(now.names()[r]); found != rows.end())
            fresh.select(0, static_cast<std::int64_t>(r)).copy_(earlier.select(0, found->second));
}

}  // namespace seqrec::trainer
