// Access to seqrec's own tables. PostgreSQL code: everything here may ereport.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/uuid.h"
}

namespace seqrec {

/// Oid of a table in schema seqrec; ERROR when the extension isn't there.
/// seqrec 模式中表的 Oid。
Oid catalog_table(const char* name);

/// What is committed by now, whatever the transaction sees; in parallel mode too.
/// 此刻已提交的快照。
SnapshotData* snapshot_of_now();

/// Runs what follows as another role with a search_path that nobody can plant functions in. An ERROR restores
/// the caller's identity by itself, at the end of its (sub)transaction; otherwise leave() does.
/// 以另一角色和固定的 search_path 运行后续语句；出错时随（子）事务结束自动恢复，否则由 leave() 恢复。
struct RoleScope {
    Oid user;
    int context;
    int guc_level;
};
RoleScope enter_role(Oid role, const char* search_path = "pg_catalog, pg_temp");
/// The role that owns seqrec's tables.
/// 拥有 seqrec 表的角色。
RoleScope enter_extension_owner();
void leave(const RoleScope& scope);

/// One parameter of a statement.
/// 语句的一个参数。
struct Param {
    Oid type;
    Datum value;
    bool null;
};
Param text_param(const char* value);  // NULL when the pointer is null
Param bigint_param(std::int64_t value);
Param int_param(std::int32_t value);
Param role_param(Oid role);
Param uuid_param(const pg_uuid_t& uuid);

/// Runs a statement inside SPI (connected by SpiScope) and returns the number of rows it processed.
/// 在 SPI 中执行一条语句，返回处理的行数。
std::uint64_t run_sql(const char* sql, const Param* params, int count, bool read_only = false);
template <std::size_t Count>
std::uint64_t run_sql(const char* sql, const Param (&params)[Count], bool read_only = false) {
    return run_sql(sql, params, static_cast<int>(Count), read_only);
}

/// Column `number` (from 1) of row `row` of the last result as palloc'd text, or nullptr for NULL; it lives
/// in SPI's memory until spi_leave.
/// 最近结果中某行某列的文本；NULL 返回 nullptr。
char* spi_text(std::uint64_t row, int number);
std::int64_t spi_bigint(std::uint64_t row, int number);
Oid spi_oid(std::uint64_t row, int number);

/// SPI_connect as the extension's owner, and back.
/// 以扩展所有者身份连接 SPI 及其恢复。
RoleScope spi_enter();
void spi_leave(const RoleScope& scope);

/// A role's name, for messages; of one that was dropped, its number.
/// 角色名，用于消息；已删除的角色为其编号。
const char* role_name(Oid role);
bool role_exists(Oid role);
/// ERROR 42501 unless the current user is `owner` or has its privileges.
/// 当前用户无该角色权限则报错 42501。
void require_role(Oid owner, const char* what);

/// What ERRORs say when the database still has the functions and tables of an earlier version.
/// 数据库中仍是旧版本的函数与表时的报错。
[[noreturn]] void report_old_extension();

}  // namespace seqrec
