// What a training leaves in its folder, read and checked for publishing. Pure C++.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/files/safetensors.hpp"

namespace seqrec {

/// The ids of one side of a dataset or model file, in index order.
/// 数据集或模型文件一侧的 id，按下标排列。
struct IdColumn {
    std::span<const std::int64_t> offsets;
    std::span<const std::uint8_t> bytes;

    /// Error XX001 unless they lie within their bytes, or rows would be made of somebody's memory.
    /// id 须位于其字节之内，否则抛出 Error XX001。
    IdColumn(const SafetensorsFile& file, const std::string& prefix);

    std::int64_t count() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
    std::string_view operator[](std::int64_t index) const;
};

/// Rows of `width` finite numbers.
/// 每行 width 个有限数。
struct Matrix {
    std::span<const float> values;
    std::int64_t width;

    Matrix(const SafetensorsFile& model, const char* name, std::int64_t rows);
    std::span<const float> operator[](std::int64_t row) const;
};

/// What each user has seen.
/// 每个用户看过的物品。
struct SeenItems {
    std::span<const std::int64_t> offsets;
    std::span<const std::int32_t> items;

    SeenItems(const SafetensorsFile& model, std::int64_t users, std::int64_t catalogue);
    std::span<const std::int32_t> operator[](std::int64_t user) const;
};

/// The model and the dataset of a job, checked against each other; every tensor is looked up once. Items and users are
/// those of the dataset, or, after a refresh, those that the model file names itself. Errors: XX001 (not what the trainer should have written), 0A000 (of a kind that this build does not know), 58030.
/// 任务的模型与数据集，相互核对，每个张量只查找一次。物品与用户取自数据集；刷新之后取自模型文件自身所列。错误：XX001（不是训练器应写出的内容）、
/// 0A000（本构建不认识的类型）、58030。
struct TrainedFiles {
    SafetensorsFile model, dataset;
    IdColumn item_ids, user_ids;
    Matrix item_rows, user_rows;
    std::span<const float> popularity;
    std::span<const double> seen_until;
    SeenItems seen;
    std::span<const std::int32_t> lists;  ///< of each item; empty without an index
    std::int64_t model_id = 0;            ///< the version that its rows become

    explicit TrainedFiles(const std::string& folder);

    /// Error XX001 for a model of another kind.
    /// 类型不符则抛出 Error XX001。
    void expect_kind(std::string_view kind) const;

  private:
    const SafetensorsFile& holder_of(const std::string& side) const;
    void read_lists();
};

/// Whether a tensor of a model is a weight of its kind, and not a row of an item or a user; what is kept of
/// items' content (is_kept_content) is stored as one, for the next refresh.
/// 张量是否为该类型自身的权重，而非物品或用户的行；所保存的物品内容（is_kept_content）也作为权重存储，供下次刷新使用。
bool is_weight(std::string_view name);

}  // namespace seqrec
