#include "tables/ratings_table.hpp"

#include <nlohmann/json.hpp>

#include "pg/boundary.hpp"
#include "tables/id_text.hpp"

extern "C" {
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}

namespace seqrec {
namespace {

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

Column find_time_column(Oid relation, const char* name) {
    Column column = find_column(relation, name, "time_column");
    if (!time_form(column.type, &column.form))
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("column \"%s\" has type %s, which is no time", name, format_type_be(column.type)),
                 errhint("Use a column of type timestamptz, timestamp, date, or a number.")));
    return column;
}

Oid attribute_collation(Oid relation, AttrNumber number) {
    Oid type, collation;
    std::int32_t modifier;
    get_atttypetypmodcoll(relation, number, &type, &modifier, &collation);
    return collation;
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
            appendStringInfo(sql, " AND (%s) IS NOT NULL", numeric_as_double(ratings.time));
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

/// What decides between rows of the same user and time: the place in the table, or the item.
void append_tie_breaker(StringInfo sql, const RatingsTable& ratings, const char* direction) {
    if (append_place(sql, ratings, direction)) return;
    appendStringInfoString(sql, ", ");
    append_id(sql, ratings.item, true);
    appendStringInfo(sql, " %s", direction);
}

}  // namespace

RatingsTable open_ratings(Oid relation, const char* user_column, const char* item_column,
                          const char* time_column, Temporary temporary) {
    RatingsTable ratings{open_source(relation, temporary), {}, {}, {}};
    ratings.user = find_id_column(relation, user_column, "user_column");
    ratings.item = find_id_column(relation, item_column, "item_column");
    ratings.time = find_time_column(relation, time_column);
    return ratings;
}

nlohmann::json ratings_to_json(const RatingsTable& ratings, std::uint64_t system) {
    nlohmann::json value = source_to_json(ratings, system);
    value["user_column"] = to_utf8(ratings.user.name);
    value["item_column"] = to_utf8(ratings.item.name);
    value["time_column"] = to_utf8(ratings.time.name);
    if (has_other_spellings(ratings.user.type)) value["user_type"] = ratings.user.type;
    if (has_other_spellings(ratings.item.type)) value["item_type"] = ratings.item.type;
    return value;
}

namespace {

struct Source {
    SourceName table;
    char *user, *item, *time;
};

Source read_source(const char* json) {
    const std::uint64_t system = GetSystemIdentifier();
    return guarded([&] {
        const nlohmann::json value = nlohmann::json::parse(to_utf8(json));
        const auto copy = [&](const char* key) {
            return from_utf8(value.at(key).get_ref<const std::string&>());
        };
        return Source{source_from_json(value, system), copy("user_column"), copy("item_column"),
                      copy("time_column")};
    });
}

Oid find_ratings(const Source& source) {
    const Oid relation = find_source(source.table);
    if (!OidIsValid(relation))
        ereport(
            ERROR,
            (errcode(ERRCODE_UNDEFINED_TABLE),
             errmsg("relation %s, which the model was trained on, does not exist", source.table.relation),
             errdetail("Another relation of that name, if there is one, is not the same."),
             errhint("Give the clicks, or name a table, where the function takes them, or train again.")));
    return relation;
}

}  // namespace

RatingsTable parse_ratings(const char* json) {
    const Source source = read_source(json);
    return open_ratings(find_ratings(source), source.user, source.item, source.time);
}

Oid parse_relation(const char* json) { return find_ratings(read_source(json)); }

char* export_query(const RatingsTable& ratings, const char* further) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT ");
    append_id(&sql, ratings.user, false);
    appendStringInfoString(&sql, ", ");
    append_id(&sql, ratings.item, false);
    if (ratings.time.form == ColumnForm::Cast)
        appendStringInfo(&sql, ", %s", numeric_as_double(ratings.time));
    else
        appendStringInfo(&sql, ", r.%s", quoted(ratings.time));
    appendStringInfo(&sql, "%s FROM %s r ORDER BY ", further, ratings.qualified);
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
