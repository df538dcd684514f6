// The table of interactions that a model is trained on: which relation, which columns, of which types.
// PostgreSQL code: everything here may ereport.
#pragma once

#include "boundary.hpp"

extern "C" {
#include "access/attnum.h"
}

namespace seqrec {

/// How a column's values travel. 列值的传输方式。
enum class ColumnForm {
    Int2,
    Int4,
    Int8,
    Text,       // text, varchar: bytes as they are
    Uuid,       // sorted as it is, turned to text by its output function
    Cast,       // anything else: the query casts it
    Timestamp,  // timestamp and timestamptz, microseconds
    Date,       // days
    Float4,
    Float8,
};

struct Column {
    const char* name;
    AttrNumber number;
    Oid type;
    ColumnForm form;
};

struct RatingsTable {
    Oid relation;
    char* qualified;  // "schema"."table", safe to put into a query
    char kind;        // relkind
    Column user, item, time;
};

/// Finds and checks a ratings as the current user: existence, kind of relation, types, SELECT on the columns.
/// Errors carry SQLSTATE and hint. The relation is locked against changes until the transaction ends.
/// 以当前用户身份查找并检查数据源：是否存在、关系类型、列类型、列的 SELECT 权限。错误带有 SQLSTATE 与提示。
RatingsTable open_ratings(Oid relation, const char* user_column, const char* item_column,
                          const char* time_column);

/// The ratings as JSON for the tables, and back. `parse_ratings` errors when the relation is gone.
/// 数据源与 JSON 的互转；关系不存在时报错。
char* ratings_to_json(const RatingsTable& ratings);
RatingsTable parse_ratings(const char* json);

/// SELECT user, item, time … ORDER BY user, time; rows with equal times keep the table's own order.
/// 按用户、时间排序的导出查询；时间相同的行保持表内顺序。
char* export_query(const RatingsTable& ratings);
/// SELECT item … WHERE user = $1, latest first, LIMIT $2. 读取某用户最新记录的查询，最新的在前。
char* history_query(const RatingsTable& ratings);

}  // namespace seqrec
