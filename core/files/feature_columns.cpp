#include "core/files/feature_columns.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace seqrec {
namespace {

constexpr const char* kTypeNames[] = {"number", "time", "category"};  // by FeatureType

/// The whole column as values.
template <typename T>
std::vector<T> read(GrowingColumn& column) {
    std::vector<T> values(column.size() / sizeof(T));
    column.copy_to(std::as_writable_bytes(std::span(values)));
    return values;
}

}  // namespace

nlohmann::json to_json(const FeatureSpec& spec) {
    return {{"name", spec.name}, {"type", kTypeNames[static_cast<std::size_t>(spec.type)]}};
}

GrowingColumn::GrowingColumn(const std::string& folder) {
    if (!folder.empty()) spool_.emplace(folder);
}

void GrowingColumn::copy_to(std::span<std::byte> target) {
    if (spool_) return spool_->copy_to(target);
    std::ranges::copy(memory_, target.begin());
}

FeatureColumn::FeatureColumn(FeatureSpec spec, const std::string& folder)
    : spec_(std::move(spec)),
      values_(folder),
      offsets_(spec_.type == FeatureType::Category ? folder : std::string()),
      dictionary_(kMostIds, "categories") {
    if (spec_.type == FeatureType::Category) offsets_.put<std::int64_t>(0);
}

void FeatureColumn::put(double value) {
    values_.put(value);
    ++rows_;
}

void FeatureColumn::put(std::span<const std::string_view> values) {
    for (const std::string_view value : values) {
        const std::int32_t code = dictionary_.index_of(value);
        if (code == static_cast<std::int32_t>(met_in_.size())) met_in_.push_back(-1);
        if (std::exchange(met_in_[static_cast<std::size_t>(code)], rows_) == rows_) continue;
        values_.put(code);
        ++codes_;
    }
    offsets_.put(codes_);
    ++rows_;
}

void FeatureColumn::declare(SafetensorsWriter& writer, const std::string& prefix, std::int64_t rows) const {
    if (spec_.type != FeatureType::Category) return writer.declare<double>(prefix + ".values", {rows});
    writer.declare<std::int64_t>(prefix + ".offsets", {rows + 1});
    writer.declare<std::int32_t>(prefix + ".codes", {codes_});
    writer.declare<std::int64_t>(prefix + ".value.offsets", {dictionary_.size() + 1});
    writer.declare<std::uint8_t>(prefix + ".value.bytes",
                                 {static_cast<std::int64_t>(dictionary_.bytes().size())});
}

void FeatureColumn::write(SafetensorsWriter& writer, const std::string& prefix,
                          const std::vector<std::int32_t>* places) {
    if (spec_.type != FeatureType::Category) return write_numbers(writer, prefix + ".values", places);
    write_codes(writer, prefix, places);
    std::ranges::copy(std::as_bytes(dictionary_.offsets()), writer.bytes(prefix + ".value.offsets").begin());
    std::ranges::copy(std::as_bytes(dictionary_.bytes()), writer.bytes(prefix + ".value.bytes").begin());
}

void FeatureColumn::write_numbers(SafetensorsWriter& writer, const std::string& name,
                                  const std::vector<std::int32_t>* places) {
    if (!places) return values_.copy_to(writer.bytes(name));
    const std::vector<double> values = read<double>(values_);
    const std::span<double> target = writer.data<double>(name);
    for (std::size_t row = 0; row < target.size(); ++row) {
        const std::int32_t place = (*places)[row];
        target[row] =
            place < 0 ? std::numeric_limits<double>::quiet_NaN() : values[static_cast<std::size_t>(place)];
    }
}

void FeatureColumn::write_codes(SafetensorsWriter& writer, const std::string& prefix,
                                const std::vector<std::int32_t>* places) {
    if (!places) {
        offsets_.copy_to(writer.bytes(prefix + ".offsets"));
        return values_.copy_to(writer.bytes(prefix + ".codes"));
    }
    const auto offsets = read<std::int64_t>(offsets_);
    const auto codes = read<std::int32_t>(values_);
    const std::span<std::int64_t> starts = writer.data<std::int64_t>(prefix + ".offsets");
    auto target = writer.data<std::int32_t>(prefix + ".codes").begin();
    starts[0] = 0;
    for (std::size_t row = 0; row + 1 < starts.size(); ++row) {
        starts[row + 1] = starts[row];
        if ((*places)[row] < 0) continue;
        const auto place = static_cast<std::size_t>((*places)[row]);
        target = std::copy(codes.begin() + offsets[place], codes.begin() + offsets[place + 1], target);
        starts[row + 1] += offsets[place + 1] - offsets[place];
    }
}

FeatureTable::FeatureTable(std::vector<FeatureSpec> specs) {
    columns_.reserve(specs.size());
    for (FeatureSpec& spec : specs) columns_.emplace_back(std::move(spec), std::string());
}

bool FeatureTable::begin_row(std::int32_t index) {
    const auto at = static_cast<std::size_t>(index);
    if (at >= places_.size()) places_.resize(at + 1, -1);
    if (places_[at] >= 0) return false;
    places_[at] = rows_++;
    return true;
}

void FeatureTable::write_listed(std::span<std::uint8_t> target) const {
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = i < places_.size() && places_[i] >= 0;
}

void FeatureTable::declare(SafetensorsWriter& writer, const std::string& prefix, std::int64_t rows) const {
    for (std::size_t c = 0; c < columns_.size(); ++c)
        columns_[c].declare(writer, prefix + std::to_string(c), rows);
}

void FeatureTable::write(SafetensorsWriter& writer, const std::string& prefix, std::int64_t rows) {
    places_.resize(static_cast<std::size_t>(rows), -1);
    for (std::size_t c = 0; c < columns_.size(); ++c)
        columns_[c].write(writer, prefix + std::to_string(c), &places_);
}

}  // namespace seqrec
