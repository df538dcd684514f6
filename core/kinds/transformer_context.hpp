// What the transformer knows of the moment of a click or of a question: further columns of the ratings, and time.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/files/safetensors.hpp"
#include "core/kinds/encoder.hpp"
#include "core/kinds/query_columns.hpp"

namespace seqrec {

/// Hour of the day, 0 to 23, and day of the week, 1 (Monday) to 7, of seconds since 1970, by UTC.
/// 由 1970 年以来的秒数得到 UTC 的小时（0 至 23）与星期（1 为周一，至 7）。
double hour_of(double time);
double weekday_of(double time);
/// `hour`, `weekday` and `gap`, the seconds since the click before by their logarithm, as columns whose rows begin at `first`.
/// 列 hour、weekday 与 gap（距上一次点击的秒数，按对数分箱），其行自 first 起。
std::vector<QueryColumn> time_columns(std::int32_t first);
/// Whether a column is one of these.
/// 是否为上述时间列之一。
bool is_time_column(const QueryColumn& column);

/// The features of each of several clicks.
/// 各次点击的特征。
using ClickFeatures = std::vector<std::vector<QueryFeature>>;

/// Reads contexts over the columns of a model: `context_columns` and `context_rows` of its config, `context.value.*`.
/// 按模型的各列（config 的 context_columns 与 context_rows，以及 context.value.*）读取 context。
class MomentContext {
  public:
    /// Whether a model has any of this.
    /// 模型是否含有这些内容。
    static bool is_in(const nlohmann::json& config) { return config.contains("context_columns"); }
    /// Rows of `context.in` and `context.out`, 0 for none; Error XX001 for what is no number of rows.
    /// context.in 与 context.out 的行数，没有则为 0；无效时抛出 Error XX001。
    static std::int64_t rows_of(const nlohmann::json& config);
    /// The file must outlive it. Error XX001 when it is not valid.
    /// 文件的生命周期须更长；无效时抛出 Error XX001。
    MomentContext(const SafetensorsFile& file, const nlohmann::json& config);
    MomentContext(const MomentContext&) = delete;
    MomentContext& operator=(const MomentContext&) = delete;

    /// The features that a context tells of one moment; what is unknown tells nothing. `time` tells hour and weekday.
    /// context 所说明的某一时刻的特征；未知内容不计。time 可得出小时与星期。
    std::vector<QueryFeature> of(const nlohmann::json& context) const;
    /// Those of the clicks, by the array `clicks` of the context, one object or null for each click that was given.
    /// `places` are those that count. Empty where nothing is said.
    /// 由 context 的数组 clicks（每次给出的点击一个对象或 null）得到各点击的特征；places 为计入的点击。没有则为空。
    ClickFeatures of_clicks(const nlohmann::json& context, std::span<const std::int32_t> places) const;
    /// As Encoder::unknown_context.
    /// 同 Encoder::unknown_context。
    std::vector<std::string> unknown(const nlohmann::json& context) const;

  private:
    bool has(const char* column) const;
    nlohmann::json expanded(const nlohmann::json& context) const;

    std::vector<QueryColumn> columns_;
    std::int64_t rows_;
    ContextColumns context_;
};

}  // namespace seqrec
