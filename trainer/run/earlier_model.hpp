// The model that a training starts from, or is compared with: its file, and which of its rows are whose.
#pragma once

#include <string>
#include <vector>

#include "core/files/safetensors.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// An earlier model's snapshot, its ids matched with those of a dataset.
/// 早先模型的快照，其 id 与数据集对应。
struct EarlierModel {
    SafetensorsFile file;
    std::vector<std::int32_t> items, users;  ///< row of each id of the dataset in the earlier model, or -1
    std::vector<double> seen_until;  ///< per user of the dataset: the latest interaction that the model knew

    /// Errors: XX001, 58030.
    /// 错误：XX001、58030。
    EarlierModel(const std::string& snapshot, const std::string& dataset);

    /// The latest interaction of any user that the model knew. 该模型所知的最晚一次交互。
    double told_until() const;
    std::int64_t known_items() const;
    std::int64_t known_users() const;
    /// The share of its users of whom the dataset no longer tells. 数据集中不再出现的用户占其用户的比例。
    double gone() const;
};

/// Copies the rows that are known over those of `fresh`, [rows, width].
/// 将已知的行复制到 fresh 中。
void take_rows(const at::Tensor& fresh, const at::Tensor& earlier, const std::vector<std::int32_t>& rows);

}  // namespace seqrec::trainer
