// The dataset's columns of features: of items, of users, of interactions. A column grows value by value, in
// whatever order rows come, and is written in the dataset's order.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/id_map.hpp"
#include "core/files/safetensors.hpp"
#include "core/files/spool_column.hpp"

namespace seqrec {

/// Number: standardised by whoever learns. Time: seconds since 1970. Category: no, one or several values.
/// Number：数值；Time：自 1970 年起的秒数；Category：零个、一个或多个类别值。
enum class FeatureType : std::uint8_t { Number, Time, Category };

/// A column as the dataset file describes it.
/// 数据集文件中的列描述。
struct FeatureSpec {
    std::string name;  // UTF-8
    FeatureType type;
};

/// The longest category; who fills columns counts longer ones as missing.
/// 类别值的最大字节数；更长的由填列者计为缺失。
inline constexpr std::size_t kMostCategoryBytes = 512;

/// The column as metadata: {"name": …, "type": "number" | "time" | "category"}.
/// 列的元数据。
nlohmann::json to_json(const FeatureSpec& spec);

/// Bytes that grow, in memory or, with a folder, spooled.
/// 可增长的字节列，存于内存；给出目录时暂存于文件。
class GrowingColumn {
  public:
    explicit GrowingColumn(const std::string& folder);
    template <typename T>
    void put(T value) {
        if (spool_) return spool_->put(value);
        const auto* bytes = reinterpret_cast<const std::byte*>(&value);
        memory_.insert(memory_.end(), bytes, bytes + sizeof value);
    }
    std::size_t size() const { return spool_ ? spool_->size() : memory_.size(); }
    /// Copies the whole column to `target`, which has size() bytes.
    /// 将整列复制到 target。
    void copy_to(std::span<std::byte> target);

  private:
    std::optional<SpoolColumn> spool_;
    std::vector<std::byte> memory_;
};

/// One column. Rows are put one after the other, each by one call of the put() that fits the type.
/// 一列；逐行调用与类型相符的 put()。
class FeatureColumn {
  public:
    /// In memory, or spooled in `folder` unless that is empty.
    /// 存于内存；folder 非空时暂存于其中。
    FeatureColumn(FeatureSpec spec, const std::string& folder);
    const FeatureSpec& spec() const { return spec_; }
    /// A number or time, NaN for a missing one.
    /// 数值或时间，NaN 表示缺失。
    void put(double value);
    /// The categories of a row, none for a missing one; what is there twice counts once.
    /// 一行的类别值，空表示缺失；重复者只计一次。
    void put(std::span<const std::string_view> values);

    /// The column's tensors, below `prefix`, for so many rows of the dataset.
    /// 声明该列在 prefix 之下的张量。
    void declare(SafetensorsWriter& writer, const std::string& prefix, std::int64_t rows) const;
    /// `places`: for each row of the dataset which call of put() it was, -1 for none; null: as they came.
    /// places：数据集每行对应第几次 put()，-1 表示没有；空指针表示按原顺序。
    void write(SafetensorsWriter& writer, const std::string& prefix, const std::vector<std::int32_t>* places);

  private:
    void write_numbers(SafetensorsWriter& writer, const std::string& prefix,
                       const std::vector<std::int32_t>* places);
    void write_codes(SafetensorsWriter& writer, const std::string& prefix,
                     const std::vector<std::int32_t>* places);

    FeatureSpec spec_;
    GrowingColumn values_;  // numbers, or codes
    // Categories alone:
    GrowingColumn offsets_;
    IdMap dictionary_;
    std::vector<std::int64_t> met_in_;  // of each code the latest row
    std::int64_t rows_ = 0, codes_ = 0;
};

/// The columns of items or users, whose rows come in an order of their own.
/// 物品或用户的各列，其行序与数据集不同。
class FeatureTable {
  public:
    explicit FeatureTable(std::vector<FeatureSpec> specs);
    std::vector<FeatureColumn>& columns() { return columns_; }
    const std::vector<FeatureColumn>& columns() const { return columns_; }
    /// Begins the row of this index of the dataset, each of whose columns is then put once; false when it had
    /// one already.
    /// 开始数据集中该下标的行，随后每列各 put 一次；已有该行则返回 false。
    bool begin_row(std::int32_t index);
    std::int64_t rows() const { return rows_; }
    /// 1 for each index that has a row, else 0.
    /// 每个下标有行为 1，否则为 0。
    void write_listed(std::span<std::uint8_t> target) const;

    void declare(SafetensorsWriter& writer, const std::string& prefix, std::int64_t rows) const;
    void write(SafetensorsWriter& writer, const std::string& prefix, std::int64_t rows);

  private:
    std::vector<FeatureColumn> columns_;
    std::vector<std::int32_t> places_;
    std::int32_t rows_ = 0;
};

}  // namespace seqrec
