#include "ratings_table.hpp"

#include <nlohmann/json.hpp>

#include "boundary.hpp"

extern "C" {
#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/varlena.h"
}

namespace seqrec {
namespace {

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

bool time_form(Oid type, ColumnForm* form) {
    switch (type) {
        case TIMESTAMPOID:
        case TIMESTAMPTZOID:
            *form = ColumnForm::Timestamp;
            return true;
        case DATEOID:
            *form = ColumnForm::Date;
            return true;
        case FLOAT4OID:
            *form = ColumnForm::Float4;
            return true;
        case FLOAT8OID:
            *form = ColumnForm::Float8;
            return true;
        case NUMERICOID:
            *form = ColumnForm::Cast;
            return true;
        default:
            *form = id_form(type);
            return *form == ColumnForm::Int2 || *form == ColumnForm::Int4 || *form == ColumnForm::Int8;
    }
}

void check_relation(Oid relation, char kind) {
    if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_VIEW &&
        kind != RELKIND_MATVIEW && kind != RELKIND_FOREIGN_TABLE)
        ereport(
            ERROR,
            (errcode(ERRCODE_WRONG_OBJECT_TYPE),
             errmsg("\"%s\" is not a table or view", get_rel_name(relation)),
             errhint("Give a table, a partitioned table, a view, a materialized view or a foreign table.")));
}

Column find_column(Oid relation, const char* name, const char* role) {
    Column column{name, get_attnum(relation, name), InvalidOid, ColumnForm::Cast};
    if (column.number == InvalidAttrNumber)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_COLUMN),
                 errmsg("column \"%s\" of relation \"%s\" does not exist", name, get_rel_name(relation)),
                 errhint("Name the right one: %s => '...'.", role)));
    column.type = getBaseType(get_atttype(relation, column.number));
    if (pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
        pg_attribute_aclcheck(relation, column.number, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
        ereport(
            ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("permission denied for column \"%s\" of relation \"%s\"", name, get_rel_name(relation)),
             errhint("Grant SELECT on it to role \"%s\".", GetUserNameFromId(GetUserId(), false))));
    return column;
}

Column find_time_column(Oid relation, const char* name) {
    Column column = find_column(relation, name, "time_column");
    if (!time_form(column.type, &column.form))
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("column \"%s\" has type %s, which is no time", name, format_type_be(column.type)),
                 errhint("Use a column of type timestamptz, timestamp, date, or a number.")));
    return column;
}

Column find_id_column(Oid relation, const char* name, const char* role) {
    Column column = find_column(relation, name, role);
    column.form = id_form(column.type);
    return column;
}

const char* quoted(const Column& column) { return quote_identifier(column.name); }

/// The expression whose text is an id: equal ids sort together, whatever the type's own idea of equality.
void append_id(StringInfo sql, const Column& column, bool collate) {
    if (column.form == ColumnForm::Cast)
        appendStringInfo(sql, "r.%s::pg_catalog.text", quoted(column));
    else
        appendStringInfo(sql, "r.%s", quoted(column));
    if (collate && (column.form == ColumnForm::Cast || column.form == ColumnForm::Text))
        appendStringInfoString(sql, " COLLATE \"C\"");
}

/// What decides between rows of the same user and time: the place in the table, which is the order of
/// insertion until rows are updated; the item where a relation has no places.
void append_tie_breaker(StringInfo sql, const RatingsTable& ratings, const char* direction) {
    switch (ratings.kind) {
        case RELKIND_RELATION:
        case RELKIND_MATVIEW:
        case RELKIND_PARTITIONED_TABLE:
            if (has_subclass(ratings.relation)) appendStringInfo(sql, ", r.tableoid %s", direction);
            appendStringInfo(sql, ", r.ctid %s", direction);
            break;
        default:
            appendStringInfoString(sql, ", ");
            append_id(sql, ratings.item, true);
            appendStringInfo(sql, " %s", direction);
    }
}

}  // namespace

RatingsTable open_ratings(Oid relation, const char* user_column, const char* item_column,
                          const char* time_column) {
    LockRelationOid(relation, AccessShareLock);
    const char kind = get_rel_relkind(relation);
    if (kind == '\0')
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation),
                 errhint("It may have been dropped since.")));
    check_relation(relation, kind);
    RatingsTable ratings;
    ratings.relation = relation;
    ratings.kind = kind;
    ratings.qualified =
        quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation));
    ratings.user = find_id_column(relation, user_column, "user_column");
    ratings.item = find_id_column(relation, item_column, "item_column");
    ratings.time = find_time_column(relation, time_column);
    return ratings;
}

char* ratings_to_json(const RatingsTable& ratings) {
    return guarded([&] {
        const nlohmann::json value = {{"relation", to_utf8(ratings.qualified)},
                                      {"user_column", to_utf8(ratings.user.name)},
                                      {"item_column", to_utf8(ratings.item.name)},
                                      {"time_column", to_utf8(ratings.time.name)}};
        return from_utf8(value.dump());
    });
}

RatingsTable parse_ratings(const char* json) {
    struct Names {
        char *relation, *user, *item, *time;
    };
    const Names names = guarded([&] {
        const nlohmann::json value = nlohmann::json::parse(to_utf8(json));
        const auto copy = [&](const char* key) {
            return from_utf8(value.at(key).get_ref<const std::string&>());
        };
        return Names{copy("relation"), copy("user_column"), copy("item_column"), copy("time_column")};
    });
    RangeVar* range = makeRangeVarFromNameList(stringToQualifiedNameList(names.relation
#if PG_VERSION_NUM >= 160000
                                                                         ,
                                                                         nullptr
#endif
                                                                         ));
    const Oid relation = RangeVarGetRelid(range, NoLock, true);
    if (!OidIsValid(relation))
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation %s does not exist", names.relation),
                 errhint("The model was trained on it. Give the clicks, or train again.")));
    return open_ratings(relation, names.user, names.item, names.time);
}

char* export_query(const RatingsTable& ratings) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT ");
    append_id(&sql, ratings.user, false);
    appendStringInfoString(&sql, ", ");
    append_id(&sql, ratings.item, false);
    appendStringInfo(&sql, ", r.%s%s FROM %s r ORDER BY ", quoted(ratings.time),
                     ratings.time.form == ColumnForm::Cast ? "::pg_catalog.float8" : "", ratings.qualified);
    append_id(&sql, ratings.user, true);
    appendStringInfo(&sql, ", r.%s", quoted(ratings.time));
    append_tie_breaker(&sql, ratings, "ASC");
    return sql.data;
}

char* history_query(const RatingsTable& ratings) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT ");
    append_id(&sql, ratings.item, false);
    appendStringInfoString(&sql, "::pg_catalog.text");
    appendStringInfo(&sql, " FROM %s r WHERE ", ratings.qualified);
    append_id(&sql, ratings.user, false);
    appendStringInfo(
        &sql, " OPERATOR(pg_catalog.=) $1 AND r.%s IS NOT NULL AND r.%s IS NOT NULL ORDER BY r.%s DESC",
        quoted(ratings.item), quoted(ratings.time), quoted(ratings.time));
    append_tie_breaker(&sql, ratings, "DESC");
    appendStringInfoString(&sql, " LIMIT $2");
    return sql.data;
}

}  // namespace seqrec
