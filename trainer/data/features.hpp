// What a dataset file tells of items, users and interactions beside who had what, and when.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/safetensors.hpp"

namespace seqrec::trainer {

/// Whose columns they are; an index of an interaction is its row in the file.
/// 列属于谁；交互的下标为其在文件中的行号。
enum class Side : std::uint8_t { Item, User, Event };

/// A column as the file has it: numbers or times (seconds), NaN where there is none, or sets of categories.
/// 文件中的一列：数值或时间（秒），缺失为 NaN；或类别集合。
struct FeatureColumn {
    enum class Type : std::uint8_t { Number, Time, Category };

    std::string name;
    Type type;
    std::span<const double> numbers{};        ///< [rows]
    std::span<const std::int64_t> offsets{};  ///< [rows + 1] into codes
    std::span<const std::int32_t> codes{};    ///< each an index of `values`
    std::vector<std::string_view> values{};

    std::int64_t rows() const {
        return type == Type::Category ? static_cast<std::int64_t>(offsets.size()) - 1
                                      : static_cast<std::int64_t>(numbers.size());
    }
    /// The categories of a row.
    /// 某行的类别。
    std::span<const std::int32_t> at(std::int64_t row) const {
        const auto r = static_cast<std::size_t>(row);
        return codes.subspan(static_cast<std::size_t>(offsets[r]),
                             static_cast<std::size_t>(offsets[r + 1] - offsets[r]));
    }
};

/// All columns of a side, in the order of the file; the file must outlive them. Error XX001 when they are not
/// valid.
/// 某一侧的全部列；文件的生命周期须更长。无效时抛出 Error XX001。
std::vector<FeatureColumn> read_features(const SafetensorsFile& file, Side side, std::int64_t rows);

/// The label of each interaction, NaN where there is none; empty when the file has no labels.
/// 每次交互的标签，缺失为 NaN；文件没有标签则为空。
std::span<const float> read_labels(const SafetensorsFile& file, std::int64_t interactions);
/// What each interaction counts, 0 or less for not at all; empty when all count the same. Error XX001 for what is no
/// weight.
/// 每次交互的权重，不大于 0 者不计入；全部相同则为空。不是权重的值抛出 Error XX001。
std::span<const float> read_weights(const SafetensorsFile& file, std::int64_t interactions);

}  // namespace seqrec::trainer
