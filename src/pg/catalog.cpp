#include "pg/catalog.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}

namespace seqrec {
namespace {

Oid owner_of(Oid relation) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", relation);
    const Oid owner = ((Form_pg_class)GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return owner;
}

}  // namespace

Oid catalog_table(const char* name) {
    const Oid schema = get_namespace_oid("seqrec", true);
    const Oid table = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
    if (!OidIsValid(table))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table seqrec.%s does not exist", name),
                        errhint("Run CREATE EXTENSION seqrec in this database.")));
    return table;
}

SnapshotData* snapshot_of_now() {
    // Parallel mode forbids the latest snapshot; of a table without a cache catalogs get a fresh one.
    return IsInParallelMode() ? GetCatalogSnapshot(catalog_table("models")) : GetLatestSnapshot();
}

RoleScope enter_role(Oid role, const char* search_path) {
    RoleScope scope;
    GetUserIdAndSecContext(&scope.user, &scope.context);
    SetUserIdAndSecContext(role,
                           scope.context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    scope.guc_level = NewGUCNestLevel();
    (void)set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                            false);
    return scope;
}

RoleScope enter_extension_owner() {
    const Oid models = catalog_table("models");
    // What follows is written for the tables of this library's version; in 0.1.0 owners were names.
    if (get_atttype(models, get_attnum(models, "owner")) != REGROLEOID) report_old_extension();
    return enter_role(owner_of(models));
}

void leave(const RoleScope& scope) {
    AtEOXact_GUC(false, scope.guc_level);
    SetUserIdAndSecContext(scope.user, scope.context);
}

Param text_param(const char* value) {
    return {TEXTOID, value ? CStringGetTextDatum(value) : (Datum)0, value == nullptr};
}
Param bigint_param(std::int64_t value) { return {INT8OID, Int64GetDatum(value), false}; }
Param int_param(std::int32_t value) { return {INT4OID, Int32GetDatum(value), false}; }
Param role_param(Oid role) { return {REGROLEOID, ObjectIdGetDatum(role), false}; }
Param uuid_param(const pg_uuid_t& uuid) { return {UUIDOID, UUIDPGetDatum(&uuid), false}; }

std::uint64_t run_sql(const char* sql, const Param* params, int count, bool read_only) {
    constexpr int kMost = 24;
    Oid types[kMost];
    Datum values[kMost];
    char nulls[kMost] = {};
    Assert(count <= kMost);
    for (int i = 0; i < count; ++i) {
        types[i] = params[i].type;
        values[i] = params[i].value;
        nulls[i] = params[i].null ? 'n' : ' ';
    }
    const int code = SPI_execute_with_args(sql, count, types, values, nulls, read_only, 0);
    if (code < 0) elog(ERROR, "statement failed (%s): %s", SPI_result_code_string(code), sql);
    return SPI_processed;
}

char* spi_text(std::uint64_t row, int number) {
    return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number);
}

std::int64_t spi_bigint(std::uint64_t row, int number) {
    bool null;
    const Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, &null);
    return null ? 0 : DatumGetInt64(value);
}

Oid spi_oid(std::uint64_t row, int number) {
    bool null;
    const Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, &null);
    return null ? InvalidOid : DatumGetObjectId(value);
}

RoleScope spi_enter() {
    const RoleScope scope = enter_extension_owner();
    SPI_connect();
    return scope;
}

void spi_leave(const RoleScope& scope) {
    SPI_finish();
    leave(scope);
}

const char* role_name(Oid role) {
    const char* name = GetUserNameFromId(role, true);
    return name ? name : psprintf("%u", role);
}

bool role_exists(Oid role) { return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)); }

void require_role(Oid owner, const char* what) {
    if (superuser()) return;
    if (!role_exists(owner))
        ereport(ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for %s", what),
                 errhint("The role it belonged to has been dropped. A superuser can give it to another one "
                         "with seqrec_set_owner.")));
    if (!has_privs_of_role(GetUserId(), owner))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for %s", what),
                        errhint("It belongs to role \"%s\".", role_name(owner))));
}

void report_old_extension() {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the extension seqrec in this database is older than the installed library"),
                    errhint("Run ALTER EXTENSION seqrec UPDATE in this database.")));
    pg_unreachable();
}

}  // namespace seqrec
