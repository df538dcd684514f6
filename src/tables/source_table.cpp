#include "tables/source_table.hpp"

#include <nlohmann/json.hpp>

#include "pg/boundary.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
}

namespace seqrec {
namespace {

void check_relation(Oid relation, char kind, Temporary temporary) {
    if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_VIEW &&
        kind != RELKIND_MATVIEW && kind != RELKIND_FOREIGN_TABLE)
        ereport(
            ERROR,
            (errcode(ERRCODE_WRONG_OBJECT_TYPE),
             errmsg("\"%s\" is not a table or view", get_rel_name(relation)),
             errhint("Give a table, a partitioned table, a view, a materialized view or a foreign table.")));
    if (temporary == Temporary::Refused && get_rel_persistence(relation) == RELPERSISTENCE_TEMP)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                        errmsg("\"%s\" is temporary: no other session can read it", get_rel_name(relation)),
                        errhint("A training reads in a background worker. Use a table that is not temporary; "
                                "UNLOGGED will do.")));
}

Oid relation_named(const char* name) {
    RangeVar* range = makeRangeVarFromNameList(stringToQualifiedNameList(name
#if PG_VERSION_NUM >= 160000
                                                                         ,
                                                                         nullptr
#endif
                                                                         ));
    return RangeVarGetRelid(range, NoLock, true);
}

}  // namespace

SourceTable open_source(Oid relation, Temporary temporary) {
    LockRelationOid(relation, AccessShareLock);
    const char kind = get_rel_relkind(relation);
    if (kind == '\0')
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation),
                 errhint("It may have been dropped since.")));
    check_relation(relation, kind, temporary);
    return {
        relation,
        quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation)),
        kind};
}

ColumnForm id_form(Oid type) {
    switch (type) {
        case INT2OID:
            return ColumnForm::Int2;
        case INT4OID:
            return ColumnForm::Int4;
        case INT8OID:
            return ColumnForm::Int8;
        case TEXTOID:
        case VARCHAROID:
            return ColumnForm::Text;
        case UUIDOID:
            return ColumnForm::Uuid;
        default:
            return ColumnForm::Cast;
    }
}

Column find_column(Oid relation, const char* name, const char* role, bool is_option) {
    Column column{name, get_attnum(relation, name), InvalidOid, ColumnForm::Cast};
    if (column.number == InvalidAttrNumber)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_COLUMN),
                 errmsg("column \"%s\" of relation \"%s\" does not exist", name, get_rel_name(relation)),
                 is_option ? errhint("Name the right one: options => '{\"%s\": \"...\"}'.", role)
                           : errhint("Name the right one: %s => '...'.", role)));
    column.type = getBaseType(get_atttype(relation, column.number));
    return column;
}

Column find_id_column(Oid relation, const char* name, const char* role, bool is_option) {
    Column column = find_column(relation, name, role, is_option);
    column.form = id_form(column.type);
    return column;
}

nlohmann::json source_to_json(const SourceTable& table, std::uint64_t system) {
    return {{"relation", to_utf8(table.qualified)},
            {"relation_id", table.relation},
            {"system", std::to_string(system)},
            {"database", MyDatabaseId}};
}

SourceName source_from_json(const nlohmann::json& value, std::uint64_t system) {
    const bool is_here = value.value("system", "") == std::to_string(system) &&
                         value.value("database", Oid{0}) == MyDatabaseId;
    return {from_utf8(value.at("relation").get_ref<const std::string&>()), is_here,
            value.value("relation_id", Oid{0})};
}

Oid find_source(const SourceName& name) {
    const Oid relation = name.is_here ? name.relation_id : relation_named(name.relation);
    if (OidIsValid(relation)) LockRelationOid(relation, AccessShareLock);
    const bool exists = OidIsValid(relation) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation));
    return exists ? relation : InvalidOid;
}

const char* quoted(const Column& column) { return quote_identifier(column.name); }

void append_id(StringInfo sql, const Column& column, bool collate) {
    if (column.form == ColumnForm::Cast)
        appendStringInfo(sql, "r.%s::pg_catalog.text", quoted(column));
    else
        appendStringInfo(sql, "r.%s", quoted(column));
    if (collate && (column.form == ColumnForm::Cast || column.form == ColumnForm::Text))
        appendStringInfoString(sql, " COLLATE pg_catalog.\"C\"");
}

char* numeric_as_double(const Column& column) {
    const char* x = quoted(column);
    return psprintf(
        "CASE WHEN r.%s OPERATOR(pg_catalog.<) 1e-300 AND r.%s OPERATOR(pg_catalog.>) -1e-300 THEN 0 "
        "WHEN r.%s OPERATOR(pg_catalog.<) 1e308 AND r.%s OPERATOR(pg_catalog.>) -1e308 "
        "THEN r.%s::pg_catalog.float8 END",
        x, x, x, x, x);
}

bool append_place(StringInfo sql, const SourceTable& table, const char* direction) {
    if (!table.shows_places) return false;
    if (table.kind != RELKIND_RELATION && table.kind != RELKIND_MATVIEW &&
        table.kind != RELKIND_PARTITIONED_TABLE)
        return false;
    if (has_subclass(table.relation)) appendStringInfo(sql, ", r.tableoid %s", direction);
    appendStringInfo(sql, ", r.ctid %s", direction);
    return true;
}

}  // namespace seqrec
