// Tables beside the ratings, of items or users, and the columns that are learnt from: which there are, which
// can be used, how their values travel. PostgreSQL code: everything here may ereport.
#pragma once

#include "tables/source_table.hpp"

extern "C" {
#include "nodes/pg_list.h"
}

namespace seqrec {

/// How a feature's values travel.
/// 特征值的传输方式。
enum class FeatureForm {
    Number,  // float8; NaN where a numeric is beyond it
    Flag,    // boolean
    Text,
    Texts,  // text[]
    Time,   // timestamp, timestamptz, date: see the column's form
};

struct SideColumn {
    Column column;
    FeatureForm form;
};

struct SideColumns {
    SideColumn* columns;
    int count;
    char* left_out;  // those of types that can't be used, when all are wanted: "poster (bytea), geo (json)"
};

struct SideTable : SourceTable {
    Column id;
    SideColumns features;
    SideColumns texts{};  // whose words say what an item is, in the order in which they are joined
    Column vector{};      // of the vectors that came with the items
    bool has_vector = false;
};

/// Which columns are wanted: those listed, or all that can be used.
/// 需要哪些列：列出的，或全部可用的。
struct ColumnWish {
    const char* option;  // that lists them, for messages
    bool all;
    List* names;     // char*
    List* reserved;  // names that are no features: ids, time, label
};

/// The wanted columns. ERROR 42703 for one that does not exist, 42804 for one that can't be used; the hint
/// lists those that can.
/// 查找所需的列。不存在报错 42703，不可用报错 42804；提示中列出可用的列。
SideColumns find_features(const SourceTable& table, const ColumnWish& wish);

/// One column of the forms that `is_usable` takes; the same errors.
/// 查找一列，其形式须为 is_usable 所接受；错误同上。
SideColumn find_feature(const SourceTable& table, const char* name, const ColumnWish& wish,
                        bool (*is_usable)(FeatureForm form));

/// The columns whose words are wanted: those that can be text of those listed, or every one of a text type; with the same
/// errors, and 54000 for too many.
/// 查找所需的文本列：列出的（须能成为文本），或所有文本类型的列；错误同上，过多时为 54000。
SideColumns find_texts(const SourceTable& table, const ColumnWish& wish);
/// A column of vectors: real[], double precision[], or what has a cast to real[], as pgvector's types do. ERROR 42703, 42804.
/// 向量列：real[]、double precision[]，或可转换为 real[] 的类型（如 pgvector）。错误 42703、42804。
Column find_vector(const SourceTable& table, const char* name);

/// Opens a table of `what` ("items" or "users"); `role` names the option of its id's column.
/// 打开 what（"items" 或 "users"）表；role 为其 id 列选项的名称。
SideTable open_side_table(Oid relation, const char* id_column, const char* role, ColumnWish wish);
/// The same without features.
/// 同上，但没有特征。
SideTable open_id_table(Oid relation, const char* id_column, const char* role);

/// ", r.a, r.b…": the expressions of columns, for a query's list.
/// 查询列表中各列的表达式。
char* feature_list(const SideColumn* columns, int count);
/// SELECT id, features, texts, vector … ORDER BY id, and the table's own order, where it has one, of rows with the same.
/// 按 id 排序的查询；id 相同的行保持表内顺序（若有）。
char* side_query(const SideTable& table);

}  // namespace seqrec
