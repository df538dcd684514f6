// The table of interactions that a model is trained on: which relation, which columns, of which types.
// PostgreSQL code: everything here may ereport.
#pragma once

#include "tables/source_table.hpp"

namespace seqrec {

struct RatingsTable : SourceTable {
    Column user, item, time;
};

/// Finds and checks a source of ratings: existence, kind of relation, types of the columns. Whether somebody
/// may read it is source_rights.hpp's. Errors carry SQLSTATE and hint. The relation is locked against changes
/// until the transaction ends.
/// 查找并检查数据源：是否存在、关系类型、列类型；读取权限见 source_rights.hpp。错误带有 SQLSTATE 与提示。
RatingsTable open_ratings(Oid relation, const char* user_column, const char* item_column,
                          const char* time_column, Temporary temporary = Temporary::Refused);

/// The ratings as JSON for the tables, and back. The relation is remembered by its oid together with the
/// server and database that the oid is of; elsewhere, as in a restored database, by its name. `parse_ratings`
/// errors when the relation is gone, also when another one has its name now.
/// 数据源与 JSON 的互转。关系以 oid 及其所属服务器、数据库记忆；在别处（如恢复的数据库）按名称查找。
/// 关系已不存在时 报错，即使另有同名关系。
nlohmann::json ratings_to_json(const RatingsTable& ratings, std::uint64_t system);  // C++
RatingsTable parse_ratings(const char* json);
/// The relation alone, whatever its columns are called by now.
/// 仅取关系，不论其列现在如何命名。
Oid parse_relation(const char* json);

// One set of rules for training and for serving: which rows count (none with a NULL, or a time that is not
// finite: time_seconds() in export.cpp says the same in C++), the text that an id is, and the order of rows.

/// SELECT user, item, time … ORDER BY user, time; rows with equal times keep the table's own order. Rows that
/// do not count are in it, so that they can be counted. `further`: more expressions, each after a comma.
/// 按用户、时间排序的导出查询；时间相同的行保持表内顺序。含不计入的行，以便统计。further：更多表达式，各以逗号开头。
char* export_query(const RatingsTable& ratings, const char* further = "");
/// SELECT item … WHERE user = $1, latest first, LIMIT $2; only rows that count.
/// 读取某用户最新记录的查询，最新的在前；仅含计入的行。
char* history_query(const RatingsTable& ratings);
/// Whether the queries turn ids to text in a way that settings such as DateStyle decide.
/// 查询中 id 的文本形式是否取决于 DateStyle 等设置。
bool casts_ids(const RatingsTable& ratings);

}  // namespace seqrec
