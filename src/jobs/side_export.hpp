// From the values of features, as rows hold them, to the dataset's columns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/files/dataset_writer.hpp"

#include "tables/row_values.hpp"
#include "tables/side_table.hpp"

extern "C" {
#include "executor/tuptable.h"
}

namespace seqrec {

/// A feature of one row, in the row's memory.
/// 一行的一个特征，位于该行的内存中。
struct FeatureValue {
    double number;            // NaN for a missing one
    std::string_view* texts;  // UTF-8
    int count;
    bool is_odd;  // counted as missing, though there is something: NaN, infinite, too long, no text
};

/// Reads the features of a row, which begin at its column `first`. PostgreSQL code: may ereport.
/// 从第 first 列起读取一行的各特征。
FeatureValue* read_features(const SideColumn* columns, int count, TupleTableSlot* slot, int first);

/// What a row says of its item beside its features, in the row's memory.
/// 一行对其物品的描述（特征之外），位于该行的内存中。
struct ItemContent {
    std::string_view text;  // UTF-8, columns joined by a line's end; empty for none
    bool is_cut;            // it was longer
    bool is_odd;            // something is no text of any encoding
    float* vector;          // null for none
    int width;
    bool is_bad;  // a vector that counts as missing: not finite, of more than one dimension
};
/// Reads the texts and the vector of a row, which begin at its column `first`. ERROR 22023 for a vector wider than is taken.
/// PostgreSQL code: may ereport.
/// 从第 first 列起读取一行的文本与向量；向量过宽时报错 22023。
ItemContent read_content(const SideTable& table, TupleTableSlot* slot, int first);

/// What the dataset file calls the columns. C++.
/// 数据集文件中的列描述。
std::vector<FeatureSpec> specs_of(const SideColumn* columns, int count);

/// Puts a row's values into the columns, and counts the odd ones of each. C++.
/// 将一行的值填入各列，并统计每列的异常值。
void put_row(std::vector<FeatureColumn>& columns, const FeatureValue* values, std::span<std::int64_t> odd);

}  // namespace seqrec
