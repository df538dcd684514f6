#include "tables/ratings_table.hpp"

#include <nlohmann/json.hpp>

#include "pg/boundary.hpp"
#include "tables/id_text.hpp"

extern "C" {
#include "access/relation.h"
#include "access/xlog.h"
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
#include "utils/syscache.h"
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

Column find_column(Oid relation, const char* name, const char* role) {
    Column column{name, get_attnum(relation, name), InvalidOid, ColumnForm::Cast};
    if (column.number == InvalidAttrNumber)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_COLUMN),
                 errmsg("column \"%s\" of relation \"%s\" does not exist", name, get_rel_name(relation)),
                 errhint("Name the right one: %s => '...'.", role)));
    column.type = getBaseType(get_atttype(relation, column.number));
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

Oid attribute_collation(Oid relation, AttrNumber number) {
    Oid type, collation;
    std::int32_t modifier;
    get_atttypetypmodcoll(relation, number, &type, &modifier, &collation);
    return collation;
}

const char* quoted(const Column& column) { return quote_identifier(column.name); }

/// The expression whose text is an id: equal ids sort together, whatever the type's own idea of equality.
void append_id(StringInfo sql, const Column& column, bool collate) {
    if (column.form == ColumnForm::Cast)
        appendStringInfo(sql, "r.%s::pg_catalog.text", quoted(column));
    else
        appendStringInfo(sql, "r.%s", quoted(column));
    if (collate && (column.form == ColumnForm::Cast || column.form == ColumnForm::Text))
        appendStringInfoString(sql, " COLLATE pg_catalog.\"C\"");
}

/// A column of text is compared in its own collation first, so that an index on it is used; one that calls
/// different texts equal is asked again byte by byte.
void append_user_is(StringInfo sql, const RatingsTable& ratings) {
    const Oid collation = get_typcollation(ratings.user.type) == InvalidOid
                              ? InvalidOid
                              : attribute_collation(ratings.relation, ratings.user.number);
    const bool by_type = ratings.user.form != ColumnForm::Cast;
    if (by_type) {
        append_id(sql, ratings.user, false);
        appendStringInfoString(sql, " OPERATOR(pg_catalog.=) $1");
    }
    if (by_type && (!OidIsValid(collation) || get_collation_isdeterministic(collation))) return;
    if (by_type) appendStringInfoString(sql, " AND ");
    append_id(sql, ratings.user, true);
    appendStringInfoString(sql, " OPERATOR(pg_catalog.=) $1");
}

/// A numeric time as float8, NULL where it is beyond that, infinite or NaN (which is above all numbers).
char* numeric_time(const Column& time) {
    return psprintf(
        "CASE WHEN r.%s OPERATOR(pg_catalog.<) 1e308 AND r.%s OPERATOR(pg_catalog.>) -1e308 "
        "THEN r.%s::pg_catalog.float8 END",
        quoted(time), quoted(time), quoted(time));
}

/// What time_seconds() in export.cpp skips.
void append_row_counts(StringInfo sql, const RatingsTable& ratings) {
    appendStringInfo(sql, " AND r.%s IS NOT NULL AND r.%s IS NOT NULL", quoted(ratings.item),
                     quoted(ratings.time));
    switch (ratings.time.form) {
        case ColumnForm::Timestamp:
        case ColumnForm::Date:
            appendStringInfo(sql, " AND pg_catalog.isfinite(r.%s)", quoted(ratings.time));
            break;
        case ColumnForm::Cast:
            appendStringInfo(sql, " AND (%s) IS NOT NULL", numeric_time(ratings.time));
            break;
        case ColumnForm::Float4:
        case ColumnForm::Float8:  // of infinities and NaN the difference is NaN
            appendStringInfo(sql, " AND (r.%s OPERATOR(pg_catalog.-) r.%s) OPERATOR(pg_catalog.=) 0",
                             quoted(ratings.time), quoted(ratings.time));
            break;
        default:
            break;
    }
}

/// What decides between rows of the same user and time: the place in the table, which is the order of
/// insertion until rows are updated; the item where a relation has no places.
void append_tie_breaker(StringInfo sql, const RatingsTable& ratings, const char* direction) {
    switch (ratings.shows_places ? ratings.kind : '\0') {
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
                          const char* time_column, Temporary temporary) {
    LockRelationOid(relation, AccessShareLock);
    const char kind = get_rel_relkind(relation);
    if (kind == '\0')
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation),
                 errhint("It may have been dropped since.")));
    check_relation(relation, kind, temporary);
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
    const std::uint64_t system = GetSystemIdentifier();
    return guarded([&] {
        nlohmann::json value = {
            {"relation", to_utf8(ratings.qualified)},    {"relation_id", ratings.relation},
            {"system", std::to_string(system)},          {"database", MyDatabaseId},
            {"user_column", to_utf8(ratings.user.name)}, {"item_column", to_utf8(ratings.item.name)},
            {"time_column", to_utf8(ratings.time.name)}};
        if (has_other_spellings(ratings.user.type)) value["user_type"] = ratings.user.type;
        if (has_other_spellings(ratings.item.type)) value["item_type"] = ratings.item.type;
        return from_utf8(json_text(value));
    });
}

namespace {

struct Source {
    char *relation, *user, *item, *time;
    bool is_here;     // written in, or bound to, this database
    Oid relation_id;  // there; 0 when nothing of the name was here when it was bound
};

Source read_source(const char* json) {
    const std::uint64_t system = GetSystemIdentifier();
    return guarded([&] {
        const nlohmann::json value = nlohmann::json::parse(to_utf8(json));
        const auto copy = [&](const char* key) {
            return from_utf8(value.at(key).get_ref<const std::string&>());
        };
        const bool is_here = value.value("system", "") == std::to_string(system) &&
                             value.value("database", Oid{0}) == MyDatabaseId;
        return Source{copy("relation"),
                      copy("user_column"),
                      copy("item_column"),
                      copy("time_column"),
                      is_here,
                      value.value("relation_id", Oid{0})};
    });
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

RatingsTable parse_ratings(const char* json) {
    const Source source = read_source(json);
    const Oid relation = source.is_here ? source.relation_id : relation_named(source.relation);
    if (OidIsValid(relation)) LockRelationOid(relation, AccessShareLock);
    if (!OidIsValid(relation) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE),
                 errmsg("relation %s, which the model was trained on, does not exist", source.relation),
                 errdetail("Another relation of that name, if there is one, is not the same."),
                 errhint("Give the clicks, or train again.")));
    return open_ratings(relation, source.user, source.item, source.time);
}

char* export_query(const RatingsTable& ratings) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT ");
    append_id(&sql, ratings.user, false);
    appendStringInfoString(&sql, ", ");
    append_id(&sql, ratings.item, false);
    if (ratings.time.form == ColumnForm::Cast)
        appendStringInfo(&sql, ", %s", numeric_time(ratings.time));
    else
        appendStringInfo(&sql, ", r.%s", quoted(ratings.time));
    appendStringInfo(&sql, " FROM %s r ORDER BY ", ratings.qualified);
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
    appendStringInfo(&sql, "::pg_catalog.text FROM %s r WHERE ", ratings.qualified);
    append_user_is(&sql, ratings);
    append_row_counts(&sql, ratings);
    appendStringInfo(&sql, " ORDER BY r.%s DESC", quoted(ratings.time));
    append_tie_breaker(&sql, ratings, "DESC");
    appendStringInfoString(&sql, " LIMIT $2");
    return sql.data;
}

bool casts_ids(const RatingsTable& ratings) {
    return ratings.user.form == ColumnForm::Cast || ratings.item.form == ColumnForm::Cast;
}

}  // namespace seqrec
