#include "data/features.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/dataset_error.hpp"

namespace seqrec::trainer {
namespace {

using Type = FeatureColumn::Type;

constexpr const char* kSides[] = {"item", "user", "event"};

Type type_of(const std::string& name) {
    if (name == "number") return Type::Number;
    if (name == "time") return Type::Time;
    if (name != "category") corrupted_dataset("there is no type of column \"" + name + "\"");
    return Type::Category;
}

std::vector<std::string_view> read_values(const SafetensorsFile& file, const std::string& at) {
    const auto offsets = file.get<std::int64_t>(at + ".value.offsets", {-1});
    const auto bytes = file.get<std::uint8_t>(at + ".value.bytes", {-1});
    check_offsets(offsets, bytes.size(), at + ".value");
    std::vector<std::string_view> values;
    for (std::size_t v = 0; v + 1 < offsets.size(); ++v)
        values.emplace_back(reinterpret_cast<const char*>(bytes.data()) + offsets[v],
                            static_cast<std::size_t>(offsets[v + 1] - offsets[v]));
    return values;
}

void read_categories(const SafetensorsFile& file, const std::string& at, std::int64_t rows,
                     FeatureColumn* column) {
    column->offsets = file.get<std::int64_t>(at + ".offsets", {rows + 1});
    column->codes = file.get<std::int32_t>(at + ".codes", {-1});
    column->values = read_values(file, at);
    check_offsets(column->offsets, column->codes.size(), at);
    for (const std::int32_t code : column->codes)
        if (code < 0 || code >= static_cast<std::int64_t>(column->values.size()))
            corrupted_dataset(at + ": a category is out of range");
}

}  // namespace

std::vector<FeatureColumn> read_features(const SafetensorsFile& file, Side side, std::int64_t rows) try {
    std::vector<FeatureColumn> columns;
    if (!file.metadata().contains("features")) return columns;
    const std::string name = kSides[static_cast<std::size_t>(side)];
    const nlohmann::json all = nlohmann::json::parse(file.meta("features"));
    for (const auto& described : all.value(name, nlohmann::json::array())) {
        const std::string at = name + ".feature." + std::to_string(columns.size());
        FeatureColumn column{described.at("name"), type_of(described.at("type"))};
        if (column.type == Type::Category)
            read_categories(file, at, rows, &column);
        else
            column.numbers = file.get<double>(at + ".values", {rows});
        columns.push_back(std::move(column));
    }
    return columns;
} catch (const nlohmann::json::exception& error) {
    corrupted_dataset(error.what());
}

std::span<const float> read_labels(const SafetensorsFile& file, std::int64_t interactions) {
    if (!file.contains("event.label")) return {};
    return file.get<float>("event.label", {interactions});
}

std::span<const float> read_weights(const SafetensorsFile& file, std::int64_t interactions) {
    if (!file.contains("event.weight")) return {};
    const auto weights = file.get<float>("event.weight", {interactions});
    for (const float weight : weights)
        if (!std::isfinite(weight)) corrupted_dataset("event.weight holds what is no weight");
    return weights;
}

}  // namespace seqrec::trainer
