// The tensors of a logistic regression, and queries with them.
#pragma once

#include <memory>

#include "core/kinds/logistic.hpp"
#include "kinds/logistic/fitting.hpp"
#include "kinds/weights.hpp"

namespace seqrec::trainer {

/// Rows and queries as core/kinds/logistic.hpp has them; queries are made by its own code.
/// 行与查询的形式见 core/kinds/logistic.hpp，查询即由其代码计算。
class LogisticWeights final : public Weights {
  public:
    /// From coefficients, calibrated; `coefficient_table` are the tensors of coefficients.hpp.
    /// 由（校准后的）系数构造；coefficient_table 为系数表的张量。
    LogisticWeights(const Dataset& data, const Design& design, const Passes& passes,
                    std::span<const float> coefficients, const Calibration& calibration,
                    std::vector<NamedTensor> coefficient_table);
    /// Of a model or snapshot file; Error XX001 when it lacks one.
    /// 读取模型或快照文件；缺失则抛出 Error XX001。
    explicit LogisticWeights(const SafetensorsFile& file);

    at::Tensor item_rows() const override { return items_; }
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override;
    at::Tensor user_rows() const override { return users_; }
    std::vector<NamedTensor> tensors() const override;
    /// What the encoder needs of the config: columns, clicks, block.
    /// 编码器所需的 config：columns、clicks、block。
    nlohmann::json config() const { return config_; }

  private:
    void describe_columns(const Design& design);
    void keep_features_of_users(const Dataset& data, const Design& design);
    void look();

    at::Tensor items_, users_, rows_, affinity_, user_offsets_, user_features_, user_values_;
    std::vector<NamedTensor> table_;
    at::Tensor value_offsets_, value_bytes_;
    nlohmann::json config_;
    LogisticQuery query_;
};

}  // namespace seqrec::trainer
