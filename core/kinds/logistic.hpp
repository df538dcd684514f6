// Kind `logistic`: a logistic regression over features of user, item and moment, and over what was clicked.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/kinds/kind.hpp"
#include "core/kinds/query_columns.hpp"

namespace seqrec {

extern const Kind kLogistic;

/// How long clicks are remembered: of the latest kLogisticReach, each counts decay^age in a mean.
/// 点击的记忆方式：最近 kLogisticReach 次，每次按 decay^age 计入均值。
inline constexpr std::size_t kLogisticReach = 200;
inline constexpr float kLogisticDecays[] = {0.98f, 0.8f};

/// What a model knows of users and moments, and how clicks count: the part of it that is common to serving
/// and to the trainer. Spans are those of a file or of tensors, which must outlive it.
/// 模型所知的用户与情境，以及点击如何计入：服务与训练共用的部分。
struct LogisticQuery {
    std::int64_t dim = 0, block = 0;      ///< columns of an item's row; those that describe the item
    std::span<const float> items, users;  ///< [items, dim], [users, dim]
    std::span<const float> rows;          ///< feature.rows [rows, dim]; row 0 always counts, row 1 clicks
    std::span<const float> affinity;      ///< [2, block]: what a mean of the clicked items' columns counts
    std::span<const std::int64_t> user_offsets;  ///< [users + 1]: features of users as they were in training
    std::span<const std::int32_t> user_rows;
    std::span<const float> user_values;
    std::vector<QueryColumn> columns;
    double clicks_mean = 0, clicks_deviation = 1;

    /// Reads `columns` and `clicks` of a config. Error XX001 when they are not valid.
    /// 读取 config 中的 columns 与 clicks；无效时抛出 Error XX001。
    void read_config(const std::string& config);

    /// Writes the query; `given` are features known of the moment, `overridden` says of each column whether
    /// they replace what the user had.
    /// 写出查询；given 为当下已知的特征，overridden 标明哪些列取代用户原有的特征。
    Encoded encode(std::span<const std::int32_t> clicks, std::int32_t user,
                   std::span<const QueryFeature> given, const std::vector<bool>& overridden,
                   std::span<float> out) const;
};

/// The encoder over a file.
/// 基于文件的编码器。
class LogisticEncoder final : public Encoder {
  public:
    explicit LogisticEncoder(const SafetensorsFile& file);
    ~LogisticEncoder() override;

    int dim() const override;
    int reach() const override;
    Encoded encode(const EncoderInput& input, std::span<float> out, Precision precision) const override;
    std::vector<std::string> unknown_context(const nlohmann::json& context) const override;

  private:
    struct Impl;
    std::unique_ptr<const Impl> impl_;
};

}  // namespace seqrec
