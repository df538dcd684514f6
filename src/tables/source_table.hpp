// A relation of somebody's own that rows are read from, and columns of it.
// PostgreSQL code: everything here may ereport.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "pg/boundary.hpp"

extern "C" {
#include "access/attnum.h"
#include "lib/stringinfo.h"
}

namespace seqrec {

/// How a column's values travel.
/// 列值的传输方式。
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

struct SourceTable {
    Oid relation;
    char* qualified;           // "schema"."table", safe to put into a query
    char kind;                 // relkind
    bool shows_places = true;  // SELECT on columns alone shows no ctid
};

/// Whether a temporary table will do: who reads it in a session of its own can't.
/// 是否接受临时表：在其他会话中读取者无法使用。
enum class Temporary : std::uint8_t { Refused, Taken };

/// Finds and checks a relation: existence, kind. Whether somebody may read it is source_rights.hpp's. Errors
/// carry SQLSTATE and hint. The relation is locked against changes until the transaction ends.
/// 查找并检查关系：是否存在及其种类；读取权限见 source_rights.hpp。错误带有 SQLSTATE 与提示。
SourceTable open_source(Oid relation, Temporary temporary = Temporary::Refused);

/// How ids of a type travel.
/// 某类型 id 的传输方式。
ColumnForm id_form(Oid type);
/// A column whose values are ids; ERROR 42703 with a hint that names the argument when there is none.
/// 值为 id 的列；不存在时报错 42703，提示中给出参数名。
Column find_id_column(Oid relation, const char* name, const char* role, bool is_option = false);
/// A column of any type, form Cast; the same error.
/// 任意类型的列，形式为 Cast；错误同上。
Column find_column(Oid relation, const char* name, const char* role, bool is_option = false);

/// The relation as JSON remembers it: by its oid together with the server and database that the oid is of;
/// elsewhere, as in a restored database, by its name.
/// 关系的 JSON 记忆：oid 及其所属服务器、数据库；在别处（如恢复的数据库）按名称查找。
struct SourceName {
    char* relation;
    bool is_here;     // written in, or bound to, this database
    Oid relation_id;  // there; 0 when nothing of the name was here when it was bound
};
/// C++: to and from the fields `relation`, `relation_id`, `system`, `database`.
/// C++ 代码：与上述字段互转。
nlohmann::json source_to_json(const SourceTable& table, std::uint64_t system);
SourceName source_from_json(const nlohmann::json& value, std::uint64_t system);
/// The relation of that name, locked; 0 when it is gone, also when another one has its name now.
/// 查找并锁定该关系；已不存在时返回 0，即使另有同名关系。
Oid find_source(const SourceName& name);

// Parts of queries, in which the relation is called r.

const char* quoted(const Column& column);
/// The expression whose text is an id: equal ids sort together, whatever the type's own idea of equality.
/// 其文本即 id 的表达式：相等的 id 排在一起，与类型自身的相等定义无关。
void append_id(StringInfo sql, const Column& column, bool collate);
/// A numeric as float8, NULL where it is beyond that, infinite or NaN (which is above all numbers).
/// 转为 float8 的 numeric；超出范围、无穷或 NaN 时为 NULL。
char* numeric_as_double(const Column& column);
/// The row's place in its table, in the order of insertion until rows are updated; false, and nothing
/// appended, where a relation has no places.
/// 行在表中的位置；没有位置的关系返回 false 且不追加。
bool append_place(StringInfo sql, const SourceTable& table, const char* direction);

}  // namespace seqrec
