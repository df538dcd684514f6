// From columns of a dataset file to features: numbers into a standardised number and bins, categories into
// values of their own as long as there are not too many.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/kinds/query_columns.hpp"
#include "data/features.hpp"

namespace seqrec::trainer {

/// A feature of a column that a row has, by its number within the column, and how much of it.
/// 某行所具有的特征（列内编号）及其取值。
struct Entry {
    std::int32_t feature;
    float x;
};

/// When a row was met: what an age is counted to.
/// 某行出现的时间，用于计算年龄。
struct Sighting {
    std::int64_t row;
    double time;
};

/// Categories that keep a value of their own; the rest share kHashed. 保留自有取值的类别数；其余共用 kHashed 个。
inline constexpr std::size_t kMostValues = 10000;
inline constexpr std::int32_t kHashed = 256;
/// Features of a column that cross with others; the rest of them cross as one. Many columns share kAllSlots.
/// 一列中参与交叉的特征数，其余合为一个；列很多时合计不超过 kAllSlots。
inline constexpr std::int32_t kMostSlots = 64, kLeastSlots = 8, kAllSlots = 256;
std::int32_t slots_each(std::size_t columns);
/// Bins of a number at most, of equally many rows.
/// 数值的最多分箱数，各箱行数相等。
inline constexpr std::size_t kBins = 16;

/// A column as features, numbered: its values or bins, then "nothing is known" if that happens, then the
/// number itself. For crosses they fall into slots: as many as there are features where those are few.
/// 一列的特征，依次为：各取值或分箱、缺失（若有）、数值本身；交叉时归入若干槽位。
class Column {
  public:
    /// `sightings` are interactions with rows of the column, from which what is usual of ages is learned.
    /// `now` is the latest time of the data; at most `most_slots` features cross.
    /// sightings 为与该列各行有关的交互，用于学习年龄的分布；now 为数据中最晚的时间；
    /// 至多 most_slots 个特征参与交叉。
    Column(const FeatureColumn& source, std::span<const Sighting> sightings, double now,
           std::int32_t most_slots = kMostSlots);
    /// A number alone, without bins; NaN where it is not known.
    /// 单个数值，不分箱；未知为 NaN。
    static Column of_numbers(std::string name, std::vector<double> numbers);

    const std::string& name() const { return name_; }
    std::int32_t features() const {
        return static_cast<std::int32_t>(values_.size()) + (missing_ ? 1 : 0) + (numeric_ ? 1 : 0);
    }
    std::int32_t slots() const { return slots_; }
    std::int32_t slot(std::int32_t feature) const {
        return slot_of_.empty() ? feature : slot_of_[static_cast<std::size_t>(feature)];
    }
    /// More features than slots: each has a weight of its own beside that of its slot.
    /// 特征多于槽位：每个特征除槽位外另有自己的权重。
    bool is_wide() const { return !slot_of_.empty(); }
    /// Whether a feature is the number itself, beside its bins.
    /// 该特征是否为数值本身。
    bool is_number(std::int32_t feature) const { return numeric_ && feature == features() - 1; }
    /// Values beyond kMostValues share features.
    /// 超出 kMostValues 的取值共用特征。
    bool is_hashed() const { return hashed_ > 0; }
    bool is_time() const { return type_ == FeatureColumn::Type::Time; }
    /// Appends a row's features at a time.
    /// 追加某行在某时刻的特征。
    void append(std::int64_t row, double time, std::vector<Entry>& to) const;
    /// What a feature, or a slot, is called: its value, empty for the number itself.
    /// 特征或槽位的名称，即其取值；数值本身为空。
    std::string value(std::int32_t feature) const;
    std::string slot_value(std::int32_t slot) const;
    double now() const { return now_; }

    /// As the encoder knows it, its features being the rows from `first` on.
    /// 编码器所知的形式，特征为自 first 起的行。
    QueryColumn described(std::int32_t first) const;

  private:
    Column(std::string name, FeatureColumn::Type type) : name_(std::move(name)), type_(type) {}
    void learn_numbers(std::vector<double> numbers);
    void learn_categories();
    void choose_slots(std::span<const std::int64_t> rows_of_feature);
    void append_number(double number, std::vector<Entry>& to) const;
    std::int32_t missing_feature() const { return static_cast<std::int32_t>(values_.size()); }

    std::string name_;
    FeatureColumn::Type type_;
    std::span<const double> numbers_;
    std::vector<double> own_numbers_;
    const FeatureColumn* categories_ = nullptr;
    std::vector<std::int32_t> value_of_;  // of each code
    std::vector<std::string> values_;
    std::vector<std::int32_t> slot_of_;  // empty: each feature is its own slot
    std::vector<double> edges_;
    std::int32_t most_slots_ = kMostSlots, slots_ = 0, hashed_ = 0;
    bool missing_ = false, numeric_ = false;
    double mean_ = 0, deviation_ = 1, now_ = 0;
};

}  // namespace seqrec::trainer
