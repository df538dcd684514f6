// Columns of users or of the moment as a model knows them: from a context's names and values to features.
#pragma once

#include <cstdint>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/files/safetensors.hpp"

namespace seqrec {

/// A column of users or of the moment, as the model knows it. Its values are rows of `feature.rows`.
/// 用户或当下情境的一列；其取值对应 feature.rows 中的行。
struct QueryColumn {
    std::string name, type;     ///< type: number, category or time
    std::int32_t first, count;  ///< rows of its values, or of the bins of its numbers
    std::int32_t number = -1;   ///< row of the number itself, -1 for none
    std::int32_t missing = -1;  ///< row of "nothing is known", -1 for none
    std::int32_t hashed = 0;    ///< last rows that values share which have none of their own
    double mean = 0, deviation = 1;
    std::vector<double> edges{};  ///< bin b holds numbers below edges[b] and not below edges[b - 1]
    double now = 0;               ///< time: what ages are counted to
};

/// Reads a column of a config, or describes it so. json::exception for what is none.
/// 读取 config 中的一列，或写成该形式；无效时抛出 json::exception。
QueryColumn read_column(const nlohmann::json& column);
nlohmann::json describe_column(const QueryColumn& column);

/// x of a row of `feature.rows`.
/// feature.rows 中某行及其取值。
struct QueryFeature {
    std::int32_t row;
    float x;
};

/// Seconds since 1970 of a number, or of a text in ISO 8601 (without a zone it is UTC); nothing for another value.
/// 数值或 ISO 8601 文本（无时区按 UTC）所表示的 1970 年以来的秒数；其他值则为空。
std::optional<double> time_of(const nlohmann::json& value);

/// Where a number lies among edges: the count of edges that are not above it.
/// 数值所在的分箱。
std::int32_t bin_of(const std::vector<double>& edges, double number);
/// A number less the mean, in deviations; far beyond what is usual it counts as kMostDeviations do, since nobody
/// knows how a coefficient goes on there.
/// 减去均值后以标准差为单位的数值；远超常见范围时按 kMostDeviations 计，因为系数在那里如何延续无人知晓。
inline constexpr float kMostDeviations = 4;
float standardised(double number, double mean, double deviation);
/// The shared row of a value that has none of its own, in [0, hashed).
/// 没有自有行的取值所共用的行。
std::int32_t hashed_value(std::string_view value, std::int32_t hashed);

/// What a context says, in features: columns by name, and a category's values by their text. Safe to use from
/// several threads.
/// 将 context 变为特征：按名称找列，按文本找类别取值。可多线程使用。
class ContextColumns {
  public:
    /// Columns whose rows lie in [first, rows); `offsets` [rows + 1] and `bytes` are the texts of rows. All must
    /// outlive this. Error XX001 when they are not valid.
    /// 各列的行位于 [first, rows)；offsets 与 bytes 为各行的文本。生命周期须更长；无效时抛出 Error XX001。
    ContextColumns(const std::vector<QueryColumn>& columns, std::int64_t first, std::int64_t rows,
                   std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes);

    /// Appends what a context (a JSON object) says to `given`, and marks in `overridden` [rows] which rows it
    /// takes the place of.
    /// 将 context 所说的追加到 given，并在 overridden 中标出被其取代的行。
    void read(const nlohmann::json& context, std::vector<QueryFeature>& given,
              std::vector<bool>& overridden) const;
    /// The keys that mean nothing, or have a value that their column can't have.
    /// 没有意义、或值不合其列的键。
    std::vector<std::string> unknown(const nlohmann::json& context) const;

  private:
    void check(const QueryColumn& column, std::int64_t first) const;
    std::string_view value(std::int64_t row) const;
    void index_values() const;
    std::int32_t row_of(std::size_t column, std::string_view text) const;
    bool add_number(const QueryColumn& column, double number, std::vector<QueryFeature>& to) const;
    bool add_values(std::size_t column, const std::vector<std::string>& texts,
                    std::vector<QueryFeature>& to) const;
    bool add(std::size_t number, const nlohmann::json& value, std::vector<QueryFeature>& to) const;
    bool is_known(const std::string& key, const nlohmann::json& value) const;

    const std::vector<QueryColumn>& columns_;
    std::int64_t rows_;
    std::span<const std::int64_t> offsets_;
    std::span<const std::uint8_t> bytes_;
    std::unordered_multimap<std::string_view, std::size_t> columns_of_;  // two sides may share a name
    mutable std::once_flag once_;
    mutable std::vector<std::unordered_map<std::string_view, std::int32_t>> value_rows_;  // made when asked
};

/// The features of whoever asks, over `feature.user.*` and `feature.value.*` of a file: those of a known user, of which
/// a context overrides what it names.
/// 提问者的特征（基于文件的 feature.user.* 与 feature.value.*）：已知用户的特征，context 所指明者取而代之。
class AskerFeatures {
  public:
    /// `columns` and the file must outlive this; `rows`: of `feature.rows`. Error XX001 when they are not valid.
    /// columns 与文件的生命周期须更长；rows 为 feature.rows 的行数。无效时抛出 Error XX001。
    AskerFeatures(const SafetensorsFile& file, const std::vector<QueryColumn>& columns, std::int64_t rows,
                  std::int64_t users);

    /// Of a user in [0, users), or -1, and a context, or null; rows are in [0, rows). Error XX001 for a file whose
    /// users have rows that are not there.
    /// user 位于 [0, users)，或为 -1；context 可为空。文件中用户的行越界时抛出 Error XX001。
    std::vector<QueryFeature> of(std::int64_t user, const nlohmann::json* context) const;
    /// Whether a feature says something, and not that nothing is known.
    /// 该特征是否有所说明（而非表示缺失）。
    bool tells(const QueryFeature& feature) const { return !missing_[static_cast<std::size_t>(feature.row)]; }
    const ContextColumns& context() const { return context_; }

  private:
    void add_of_user(std::size_t user, const std::vector<bool>& overridden,
                     std::vector<QueryFeature>& to) const;

    std::int64_t rows_;
    std::span<const std::int64_t> user_offsets_;
    std::span<const std::int32_t> user_rows_;
    std::span<const float> user_values_;
    ContextColumns context_;
    std::vector<bool> missing_;  // of each row: it says that nothing is known
};

}  // namespace seqrec
