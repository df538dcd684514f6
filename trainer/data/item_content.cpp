#include "data/item_content.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "data/features.hpp"
#include "data/sketch.hpp"
#include "text/text_encoder.hpp"
#include "text/text_vectors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

constexpr std::int64_t kSketch = 256;  // columns that all categories share
constexpr double kFar = 3;             // deviations; numbers further out count as that far

Tensor unit_length(const Tensor& rows) { return rows / rows.norm(2, 1, true).clamp_min(1e-12); }

std::int64_t rows_that_say_something(const Tensor& rows) {
    return rows.abs().amax(1).gt(0).sum().item<std::int64_t>();
}

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
    throw Error(sqlstate::kInvalidParameter, what, hint);
}

/// The vectors that came with the items; zeros for an item without one.
Tensor own_vectors(const SafetensorsFile& file, const json& fitted) {
    const Tensor vectors = read_tensor(file, "item.vector");
    if (fitted.is_object() && fitted.at("vector") != vectors.size(1))
        refuse("vectors of items have " + std::to_string(vectors.size(1)) + " numbers now, and had " +
                   fitted.at("vector").dump(),
               "Train the model again, or give vectors of the earlier length.");
    return unit_length(at::where(vectors.isfinite(), vectors, at::zeros({1})));
}

/// Mean and deviation of what is there.
json standard_of(const FeatureColumn& column) {
    double count = 0, sum = 0, squares = 0;
    for (const double value : column.numbers)
        if (!std::isnan(value)) ++count, sum += value;
    const double mean = count > 0 ? sum / count : 0;
    for (const double value : column.numbers)
        if (!std::isnan(value)) squares += (value - mean) * (value - mean);
    const double deviation = count > 0 ? std::sqrt(squares / count) : 0;
    return {{"name", column.name}, {"mean", mean}, {"deviation", deviation > 0 ? deviation : 1}};
}

/// Two columns: the number in deviations from the mean, and whether it is missing.
Tensor standardised(const FeatureColumn& column, const json& standard) {
    const double mean = standard.at("mean"), deviation = standard.at("deviation");
    Tensor rows = at::zeros({column.rows(), 2});
    float* row = rows.data_ptr<float>();
    for (const double value : column.numbers) {
        if (std::isnan(value))
            row[1] = 1;
        else
            row[0] = static_cast<float>(std::clamp((value - mean) / deviation, -kFar, kFar));
        row += 2;
    }
    return rows;
}

/// All categories of an item in one row of unit length.
Tensor sketch_of(const std::vector<const FeatureColumn*>& columns, std::int64_t items) {
    Tensor rows = at::zeros({items, kSketch});
    for (const FeatureColumn* column : columns)
        for (std::int64_t i = 0; i < items; ++i)
            for (const std::int32_t code : column->at(i))
                add_to_sketch(
                    {rows.data_ptr<float>() + i * kSketch, kSketch},
                    column->name + '\0' + std::string(column->values[static_cast<std::size_t>(code)]), 1);
    return unit_length(rows);
}

const FeatureColumn& find_column(const std::vector<FeatureColumn>& columns, const std::string& name,
                                 bool category) {
    for (const FeatureColumn& column : columns)
        if (column.name == name && (column.type == FeatureColumn::Type::Category) == category) return column;
    refuse("the table of items has no column \"" + name + "\" of the type any more that it had",
           "The model learned from it. Give items => the table that it was trained with, or train without "
           "init_from.");
}

}  // namespace

ItemContent::ItemContent(const SafetensorsFile& dataset, std::int64_t items, const ContentOptions& options,
                         const SafetensorsFile* earlier, const json& fitted, Workers& workers,
                         Reporter& reporter) {
    std::vector<Tensor> parts;
    config_ = {{"text", nullptr},
               {"vector", 0},
               {"numbers", json::array()},
               {"categories", json::array()},
               {"told", json::object()}};
    if (dataset.contains("item.text.offsets"))
        add_text(dataset, items, options, earlier, fitted, workers, reporter, parts);
    if (dataset.contains("item.vector")) {
        parts.push_back(own_vectors(dataset, fitted));
        config_["vector"] = parts.back().size(1);
        config_["told"]["vector"] = rows_that_say_something(parts.back());
    }
    const std::vector<FeatureColumn> columns =
        options.features ? read_features(dataset, Side::Item, items) : std::vector<FeatureColumn>();
    add_columns(columns, items, fitted, parts);
    if (fitted.is_object()) check_same(fitted);
    if (!parts.empty()) rows_ = parts.size() == 1 ? parts[0].contiguous() : at::cat(parts, 1);
}

void ItemContent::add_text(const SafetensorsFile& dataset, std::int64_t items, const ContentOptions& options,
                           const SafetensorsFile* earlier, const json& fitted, Workers& workers,
                           Reporter& reporter, std::vector<Tensor>& parts) {
    const auto encoder = open_text_encoder(options.text_model);
    config_["text"] = {{"encoder", encoder->fingerprint()}, {"width", encoder->width()}};
    if (fitted.is_object() && fitted.at("text") != config_["text"])
        refuse("the model's text was read by another language model than seqrec.text_model names now",
               "Train the model again, or set seqrec.text_model back.");
    if (encoder->is_fallback())
        reporter.warning(
            "no language model is configured (seqrec.text_model), so text is read as hashed words and parts "
            "of words");
    if (!encoder->notice().empty()) reporter.warning(encoder->notice());
    TextVectors texts = text_vectors(dataset, items, *encoder, earlier, workers, [&](double share) {
        reporter.progress({{"phase", "encoding"}, {"encoded", share}});
    });
    if (!texts.vectors.isfinite().all().item<bool>())
        throw Error(sqlstate::kDataCorrupted, "the language model gives vectors that are not finite numbers",
                    "Check model.safetensors in the folder that seqrec.text_model names.");
    encoded_ = texts.encoded;
    kept_ = std::move(texts.kept);
    parts.push_back(unit_length(texts.vectors));
    config_["told"]["text"] = rows_that_say_something(parts.back());
}

void ItemContent::add_columns(const std::vector<FeatureColumn>& columns, std::int64_t items,
                              const json& fitted, std::vector<Tensor>& parts) {
    std::vector<const FeatureColumn*> categories;
    const auto take_category = [&](const FeatureColumn& column) {
        categories.push_back(&column);
        config_["categories"].push_back(column.name);
    };
    const auto take_number = [&](const FeatureColumn& column, const json& standard) {
        parts.push_back(standardised(column, standard));
        config_["numbers"].push_back(standard);
    };
    if (fitted.is_object()) {
        for (const json& standard : fitted.at("numbers"))
            take_number(find_column(columns, standard.at("name"), false), standard);
        for (const json& name : fitted.at("categories")) take_category(find_column(columns, name, true));
    } else {
        for (const FeatureColumn& column : columns)
            if (column.type == FeatureColumn::Type::Category)
                take_category(column);
            else
                take_number(column, standard_of(column));
    }
    if (!categories.empty()) parts.push_back(sketch_of(categories, items));
}

void ItemContent::check_same(const json& fitted) const {
    if (fitted.at("text").is_null() == config_["text"].is_null() && fitted.at("vector") == config_["vector"])
        return;
    refuse("the table of items has no text or no vectors any more, or has them now and had none",
           "Give items => the table and the columns that the model was trained with, or train without "
           "init_from.");
}

}  // namespace seqrec::trainer
