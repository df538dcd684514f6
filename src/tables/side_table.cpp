#include "tables/side_table.hpp"

#include <cstring>

#include "core/side_options.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "access/relation.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

namespace seqrec {
namespace {

bool is_number(Oid type) {
    return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID || type == FLOAT8OID ||
           type == NUMERICOID;
}

bool is_time(Oid type) { return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID; }

/// Types whose text is a category: strings of any kind, enums, and small things that have a name.
bool is_category(Oid type) {
    if (type == UUIDOID || type == CHAROID || type == INETOID || type == CIDROID || type == MACADDROID)
        return true;
    char category;
    bool preferred;
    get_type_category_preferred(type, &category, &preferred);
    return category == TYPCATEGORY_STRING || category == TYPCATEGORY_ENUM;
}

/// False for a type that can't be learnt from. Domains count as what they are over.
bool form_of(Oid declared, FeatureForm* form) {
    const Oid type = getBaseType(declared);
    const Oid element = get_element_type(type);
    const Oid category = OidIsValid(element) ? getBaseType(element) : type;
    if (is_number(type))
        *form = FeatureForm::Number;
    else if (is_time(type))
        *form = FeatureForm::Time;
    else if (type == BOOLOID)
        *form = FeatureForm::Flag;
    else if (category == BOOLOID || is_category(category))
        *form = OidIsValid(element) ? FeatureForm::Texts : FeatureForm::Text;
    else
        return false;
    return true;
}

ColumnForm travel_form(Oid type) {
    if (type == DATEOID) return ColumnForm::Date;
    return is_time(type) ? ColumnForm::Timestamp : ColumnForm::Cast;
}

bool is_any(FeatureForm) { return true; }

/// Types of words, not of things that have a name.
bool is_words(Oid declared) {
    char category;
    bool preferred;
    get_type_category_preferred(getBaseType(declared), &category, &preferred);
    return category == TYPCATEGORY_STRING;
}

bool is_listed(List* names, const char* name) {
    ListCell* cell;
    foreach (cell, names)
        if (strcmp(static_cast<const char*>(lfirst(cell)), name) == 0) return true;
    return false;
}

/// What the relation has: `usable` gets its columns that can be used, `left_out` the names and types of the
/// others.
struct Found {
    SideColumn* usable;
    int count;
    StringInfoData left_out;
};

Found look_at_columns(const SourceTable& table, List* reserved, bool (*is_usable)(FeatureForm)) {
    Relation relation = relation_open(table.relation, AccessShareLock);
    TupleDesc columns = RelationGetDescr(relation);
    Found found{
        static_cast<SideColumn*>(palloc0(sizeof(SideColumn) * static_cast<Size>(columns->natts + 1))), 0, {}};
    initStringInfo(&found.left_out);
    for (int i = 0; i < columns->natts; ++i) {
        const Form_pg_attribute attribute = TupleDescAttr(columns, i);
        const char* name = NameStr(attribute->attname);
        if (attribute->attisdropped || is_listed(reserved, name)) continue;
        FeatureForm form;
        if (form_of(attribute->atttypid, &form) && is_usable(form)) {
            const Oid type = getBaseType(attribute->atttypid);
            found.usable[found.count++] = {{pstrdup(name), attribute->attnum, type, travel_form(type)}, form};
        } else {
            appendStringInfo(&found.left_out, "%s%s (%s)", found.left_out.len ? ", " : "", name,
                             format_type_be(attribute->atttypid));
        }
    }
    relation_close(relation, NoLock);
    return found;
}

constexpr int kMostListed = 60;

char* hint_of(const Found& found, const char* option) {
    if (found.count == 0) return psprintf("No column of the table can be used for %s.", option);
    StringInfoData list;
    initStringInfo(&list);
    for (int i = 0; i < found.count && i < kMostListed; ++i)
        appendStringInfo(&list, "%s%s", i ? ", " : "", found.usable[i].column.name);
    if (found.count > kMostListed) appendStringInfo(&list, ", and %d more", found.count - kMostListed);
    return psprintf("Columns that can be used for %s: %s.", option, list.data);
}

SideColumn find_among(const Found& found, const SourceTable& table, const char* name,
                      const ColumnWish& wish) {
    for (int i = 0; i < found.count; ++i)
        if (strcmp(found.usable[i].column.name, name) == 0) return found.usable[i];
    const char* hint = hint_of(found, wish.option);
    const AttrNumber number = get_attnum(table.relation, name);
    if (number <= 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("column \"%s\" of relation \"%s\" does not exist", name,
                               get_rel_name(table.relation)),
                        errhint("%s", hint)));
    if (is_listed(wish.reserved, name))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("column \"%s\" of relation \"%s\" can't be used for %s: it has another part",
                               name, get_rel_name(table.relation), wish.option),
                        errhint("%s", hint)));
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("column \"%s\" of relation \"%s\" has type %s, which can't be used for %s", name,
                           get_rel_name(table.relation), format_type_be(get_atttype(table.relation, number)),
                           wish.option),
                    errhint("%s", hint)));
    pg_unreachable();
}

/// A numeric beyond float8 is NaN, which is not NULL, so that it can be counted.
void append_number(StringInfo sql, const Column& column) {
    if (column.type != NUMERICOID) return appendStringInfo(sql, "r.%s::pg_catalog.float8", quoted(column));
    appendStringInfo(sql, "CASE WHEN r.%s IS NOT NULL THEN coalesce(%s, 'NaN'::pg_catalog.float8) END",
                     quoted(column), numeric_as_double(column));
}

void append_feature(StringInfo sql, const SideColumn& feature) {
    switch (feature.form) {
        case FeatureForm::Number:
            return append_number(sql, feature.column);
        case FeatureForm::Text:
            return appendStringInfo(sql, "r.%s::pg_catalog.text", quoted(feature.column));
        case FeatureForm::Texts:
            return appendStringInfo(sql, "r.%s::pg_catalog.text[]", quoted(feature.column));
        default:
            return appendStringInfo(sql, "r.%s", quoted(feature.column));
    }
}

/// Text of every form; elements of an array by spaces.
void append_words(StringInfo sql, const SideColumn& text) {
    if (text.form == FeatureForm::Texts)
        appendStringInfo(sql, "pg_catalog.array_to_string(r.%s::pg_catalog.text[], ' ')",
                         quoted(text.column));
    else
        appendStringInfo(sql, "r.%s::pg_catalog.text", quoted(text.column));
}

void append_vector(StringInfo sql, const SideTable& table) {
    const bool wide = table.vector.type == FLOAT8ARRAYOID;
    appendStringInfo(sql, "r.%s::pg_catalog.float%d[]", quoted(table.vector), wide ? 8 : 4);
}

/// Which of several rows with one id is the first, where a relation has no places: what they hold decides.
void append_contents(StringInfo sql, const SideTable& table) {
    const SideColumns& features = table.features;
    for (int i = 0; i < features.count; ++i) {
        appendStringInfoString(sql, ", ");
        append_feature(sql, features.columns[i]);
        if (features.columns[i].form == FeatureForm::Text || features.columns[i].form == FeatureForm::Texts)
            appendStringInfoString(sql, " COLLATE pg_catalog.\"C\"");
    }
    for (int i = 0; i < table.texts.count; ++i) {
        appendStringInfoString(sql, ", ");
        append_words(sql, table.texts.columns[i]);
        appendStringInfoString(sql, " COLLATE pg_catalog.\"C\"");
    }
    if (!table.has_vector) return;
    appendStringInfoString(sql, ", ");
    append_vector(sql, table);
}

}  // namespace

SideColumns find_features(const SourceTable& table, const ColumnWish& wish) {
    const Found found = look_at_columns(table, wish.reserved, is_any);
    if (wish.all) return {found.usable, found.count, found.left_out.len ? found.left_out.data : nullptr};
    const auto size = sizeof(SideColumn) * static_cast<Size>(list_length(wish.names) + 1);
    SideColumns wanted{static_cast<SideColumn*>(palloc0(size)), 0, nullptr};
    ListCell* cell;
    foreach (cell, wish.names)
        wanted.columns[wanted.count++] =
            find_among(found, table, static_cast<const char*>(lfirst(cell)), wish);
    return wanted;
}

SideColumns find_texts(const SourceTable& table, const ColumnWish& wish) {
    if (!wish.all) return find_features(table, wish);
    const Found found = look_at_columns(table, wish.reserved, is_any);
    SideColumns texts{found.usable, 0, nullptr};
    for (int i = 0; i < found.count; ++i)
        if (found.usable[i].form == FeatureForm::Text && is_words(found.usable[i].column.type))
            texts.columns[texts.count++] = found.usable[i];
    if (texts.count > static_cast<int>(kMostColumns))
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("relation \"%s\" has %d columns of text", get_rel_name(table.relation), texts.count),
                 errhint("List at most %d of them in %s.", static_cast<int>(kMostColumns), wish.option)));
    return texts;
}

Column find_vector(const SourceTable& table, const char* name) {
    Column column = find_column(table.relation, name, "item_vector", true);
    if (column.type == FLOAT4ARRAYOID || column.type == FLOAT8ARRAYOID) return column;
    Oid function;
    const CoercionPathType path =
        find_coercion_pathway(FLOAT4ARRAYOID, column.type, COERCION_EXPLICIT, &function);
    if (path == COERCION_PATH_FUNC || path == COERCION_PATH_RELABELTYPE) return column;
    ereport(
        ERROR,
        (errcode(ERRCODE_DATATYPE_MISMATCH),
         errmsg("column \"%s\" of relation \"%s\" has type %s, which is no vector", name,
                get_rel_name(table.relation), format_type_be(column.type)),
         errhint(
             "item_vector takes a column of type real[] or double precision[], or of pgvector's vector.")));
    pg_unreachable();
}

SideColumn find_feature(const SourceTable& table, const char* name, const ColumnWish& wish,
                        bool (*is_usable)(FeatureForm form)) {
    return find_among(look_at_columns(table, wish.reserved, is_usable), table, name, wish);
}

SideTable open_id_table(Oid relation, const char* id_column, const char* role) {
    SideTable table{open_source(relation), {}, {}};
    table.id = find_id_column(relation, id_column, role, true);
    return table;
}

SideTable open_side_table(Oid relation, const char* id_column, const char* role, ColumnWish wish) {
    SideTable table = open_id_table(relation, id_column, role);
    wish.reserved = lappend(wish.reserved, pstrdup(id_column));
    table.features = find_features(table, wish);
    return table;
}

char* feature_list(const SideColumn* columns, int count) {
    StringInfoData sql;
    initStringInfo(&sql);
    for (int i = 0; i < count; ++i) {
        appendStringInfoString(&sql, ", ");
        append_feature(&sql, columns[i]);
    }
    return sql.data;
}

char* side_query(const SideTable& table) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT ");
    append_id(&sql, table.id, false);
    appendStringInfoString(&sql, feature_list(table.features.columns, table.features.count));
    for (int i = 0; i < table.texts.count; ++i) {
        appendStringInfoString(&sql, ", ");
        append_words(&sql, table.texts.columns[i]);
    }
    if (table.has_vector) {
        appendStringInfoString(&sql, ", ");
        append_vector(&sql, table);
    }
    appendStringInfo(&sql, " FROM %s r ORDER BY ", table.qualified);
    append_id(&sql, table.id, true);
    if (!append_place(&sql, table, "ASC")) append_contents(&sql, table);
    return sql.data;
}

}  // namespace seqrec
