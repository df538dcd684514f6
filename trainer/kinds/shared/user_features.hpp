// Features of users: rows of one table, and which of them each user has.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/kinds/query_columns.hpp"
#include "data/dataset.hpp"
#include "files/tensor_file.hpp"

namespace seqrec::trainer {

/// The columns of the users' table as features, and every user's features. Times are ages at the end of the
/// data.
/// 用户表各列的特征，以及每个用户的特征；时间按数据末尾时的年龄计。
class UserFeatures {
  public:
    UserFeatures() = default;
    explicit UserFeatures(const Dataset& data);
    /// Of so many users of whom nothing is known. 一无所知的若干用户。
    static UserFeatures of_unknown(std::int64_t users);
    /// Of a model or snapshot file; Error XX001 when it lacks one.
    /// 读取模型或快照文件；缺失则抛出 Error XX001。
    explicit UserFeatures(const SafetensorsFile& file);

    /// Rows of the table, 0 where nothing is known of users.
    /// 表的行数；对用户一无所知时为 0。
    std::int64_t rows() const { return static_cast<std::int64_t>(names_.size()); }
    std::int64_t users() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
    std::span<const QueryFeature> of(std::int64_t user) const;
    /// Whether something is known of a user, and not only that nothing is.
    /// 是否对用户有所了解（而不只是标明缺失）。
    bool knows(std::int64_t user) const;
    /// What tells a row from others: its column, and its value or what else it stands for.
    /// 各行的标识：列名，以及取值或其含义。
    const std::vector<std::string>& names() const { return names_; }
    /// `columns` of the config. config 的 columns。
    const nlohmann::json& columns() const { return columns_; }
    /// `feature.value.*` and `feature.user.*` of the model file. 模型文件的 feature.value.* 与 feature.user.*。
    std::vector<NamedTensor> tensors() const;

  private:
    void name_rows(const std::vector<QueryColumn>& columns);

    nlohmann::json columns_ = nlohmann::json::array();
    std::vector<std::string> values_;  // the text of each row
    std::vector<std::string> names_;
    std::vector<bool> missing_;
    std::vector<std::int64_t> offsets_{0};
    std::vector<QueryFeature> features_;
};

/// Copies over `fresh`, the rows of `now`, those of `earlier`, the rows of `then`, that stand for the same.
/// 将 earlier（then 的各行）中含义相同的行复制到 fresh（now 的各行）。
void take_feature_rows(const at::Tensor& fresh, const UserFeatures& now, const at::Tensor& earlier,
                       const UserFeatures& then);

}  // namespace seqrec::trainer
