// With whose rights the rows of a source, the ratings or a table beside them, are read. Code that belongs to somebody else (a view, a
// function, a policy, an index expression) never runs with more rights than its owner has.
// PostgreSQL code: everything here may ereport.
#pragma once

#include <span>

#include "pg/catalog.hpp"
#include "tables/ratings_table.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace seqrec {

/// How a source is read on behalf of a role: as whom, and along which path its views' functions find what
/// they name.
/// 代表某角色读取数据源的方式：以何身份、按何搜索路径。
struct Reading {
    Oid reader;  ///< on whose behalf: the model's owner, or who trains
    Oid run_as;  ///< the reader where the relation's owner may do all that the reader may, else that owner
    char* search_path;
    bool pins_text;  ///< ids are cast, so that settings decide their text
};

/// ERROR 42501 unless `reader` exists and may SELECT the columns (of ratings: user, item and time), and where
/// row security would hide rows from it: what a policy shows depends on its session, which neither a worker
/// nor a pool has.
/// reader 不存在、无这些列（评分表为用户、物品、时间三列）的 SELECT 权限，或行级安全会对其隐藏行时报错
/// 42501：策略取决于会话，而后台进程与连接池没有。
void check_reader(const SourceTable& table, std::span<const Column> columns, Oid reader);
void check_reader(const RatingsTable& ratings, Oid reader);

/// Checks the reader and decides as whom to read; notes in the table whether that role sees rows' places.
/// 检查读取者并决定以何身份读取。
Reading plan_reading(SourceTable& table, std::span<const Column> columns, bool pins_text, Oid reader);
Reading plan_reading(RatingsTable& ratings, Oid reader);
/// The same decision without the search path, for each call.
/// 同一决定，不含搜索路径，供每次调用使用。
Oid run_as(const SourceTable& table, Oid reader);

/// The search_path that a role's own sessions in this database have, if somebody set one for it, and pg_temp
/// last. The file's and the session's are not asked: the one is not known here, the other is the caller's to
/// choose.
/// 为该角色在本数据库中设置的 search_path，末尾加 pg_temp；不看配置文件与会话的设置。
const char* configured_path(Oid role);

/// In effect until leave(): the role in a security-restricted operation, its search_path, pinned settings,
/// and row_security = off, so that a policy anywhere below is an error and not fewer rows.
/// 直到 leave()：受限操作中的角色、其搜索路径、固定设置，以及 row_security = off。
RoleScope enter_reading(const Reading& reading);

/// Prepares a query inside enter_reading() and SPI, and refuses one that would run code of a role that has
/// fewer rights than the one it would run as.
/// 在 enter_reading() 与 SPI 中准备查询；若会以更高权限运行他人代码则拒绝。
SPIPlanPtr prepare_reading(const Reading& reading, const char* query, int parameters, Oid* types);

/// The second half of it, for a plan that is kept: ERROR 42501 when it would run such code by now.
/// 其中的第二步，供保留的计划再次检查：此刻若会运行此类代码则报错 42501。
void check_code(SPIPlanPtr plan, Oid run_as);
/// The same as an answer: whether all code that the plan would run is that of roles which may act as `run_as` anyway.
/// 同上，以返回值作答：计划运行的代码是否全部属于本就可以充当 run_as 的角色。
bool is_trusted_code(SPIPlanPtr plan, Oid run_as);

/// Whether `reader` may SELECT the columns, and use the schema that the relation is in.
/// reader 是否可以 SELECT 这些列并使用其所在模式。
bool may_read(const SourceTable& table, std::span<const Column> columns, Oid reader);
/// Whether a policy, or the server behind a foreign table, of somebody whose code is not to run as `reader` decides which rows that
/// role sees.
/// 决定 reader 可见行的策略（或外部表的服务器）是否出自不应以其身份运行代码的角色。
bool hides_rows(const SourceTable& table, Oid reader);

}  // namespace seqrec
