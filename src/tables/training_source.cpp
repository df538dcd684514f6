#include "tables/training_source.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "pg/boundary.hpp"

extern "C" {
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}

namespace seqrec {
namespace {

/// Options about a table without the table are a mistake that would go unseen.
void refuse_without_table(const SideOptions& side, const char* what, const char* id_option,
                          const char* list_option) {
    if (!side.id_column && !side.lists) return;
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"%s\" speaks of a table of %s, and none is given",
                           side.lists ? list_option : id_option, what),
                    errhint("Give it: %s => 'table'.", what)));
}

void refuse_without_table(const ContentOptions& content) {
    const char* option = content.vector                                      ? "item_vector"
                         : content.texts.lists && content.texts.names != NIL ? "item_text"
                                                                             : nullptr;
    if (option) refuse_without_table({nullptr, true, NIL}, "items", option, option);
}

List* names_of(const SideColumns& columns) {
    List* names = NIL;
    for (int i = 0; i < columns.count; ++i)
        names = lappend(names, const_cast<char*>(columns.columns[i].column.name));
    return names;
}

/// A kind that takes nothing but words and vectors learns nothing from a table without them.
void refuse_silent_table(const SideTable& table) {
    if (table.texts.count > 0 || table.has_vector) return;
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("no column of \"%s\", the table of items, is used", get_rel_name(table.relation)),
                    errhint("List columns in item_text, or name one in item_vector; or leave items out.")));
}

/// The table of items of a kind that takes their words: what is used as text is no category unless it is listed as one.
SideTable* open_items(Oid relation, const TrainingOptions& options, const char* id_column) {
    auto* table = static_cast<SideTable*>(palloc(sizeof(SideTable)));
    *table = open_id_table(relation, id_column, "item_id_column");
    const ContentOptions& content = options.content;
    List* reserved = list_make1(pstrdup(id_column));
    if (content.vector) {
        table->vector = find_vector(*table, content.vector);
        table->has_vector = true;
        reserved = lappend(reserved, const_cast<char*>(content.vector));
    }
    table->texts = find_texts(*table, {"item_text", !content.texts.lists, content.texts.names, reserved});
    if (!content.takes_features) {
        refuse_silent_table(*table);
        return table;
    }
    List* used = options.items.lists ? reserved : list_concat_copy(reserved, names_of(table->texts));
    table->features =
        find_features(*table, {"item_features", !options.items.lists, options.items.names, used});
    return table;
}

SideTable* open_side(Oid relation, const SideOptions& side, const char* id_column, const char* id_option,
                     const char* list_option) {
    auto* table = static_cast<SideTable*>(palloc(sizeof(SideTable)));
    *table = open_side_table(relation, side.id_column ? side.id_column : id_column, id_option,
                             {list_option, !side.lists, side.names, NIL});
    return table;
}

bool is_label(FeatureForm form) { return form == FeatureForm::Number || form == FeatureForm::Flag; }
bool is_event(FeatureForm form) { return form == FeatureForm::Text; }

/// The only text among the columns of context.
const char* guess_event_column(const EventColumns& further) {
    const char* found = nullptr;
    int count = 0;
    for (int i = 0; i < further.context; ++i)
        if (further.columns[i].form == FeatureForm::Text && count++ == 0)
            found = further.columns[i].column.name;
    if (count != 1)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s is given, and %s column of context is text",
                               further.weighs_events ? "event_weights" : "exclude_events",
                               count == 0 ? "no" : "more than one"),
                        errhint("Name the column that says what an interaction was: "
                                "{\"event_column\": \"...\"}.")));
    return found;
}

List* ids_and_time(const RatingsTable& ratings) {
    return list_make3(const_cast<char*>(ratings.user.name), const_cast<char*>(ratings.item.name),
                      const_cast<char*>(ratings.time.name));
}

EventColumns find_further(const RatingsTable& ratings, const TrainingOptions& options) {
    const ColumnWish wish{"context", false, options.context.names, ids_and_time(ratings)};
    const SideColumns context = find_features(ratings, wish);
    const auto size = sizeof(SideColumn) * static_cast<Size>(context.count + 2);
    EventColumns further{static_cast<SideColumn*>(palloc0(size)),
                         context.count,
                         context.count,
                         -1,
                         -1,
                         options.weighs_events(),
                         options.excludes_events()};
    memcpy(further.columns, context.columns, sizeof(SideColumn) * static_cast<Size>(context.count));
    const auto add = [&](const char* option, const char* name, bool (*is_usable)(FeatureForm)) {
        further.columns[further.count] =
            find_feature(ratings, name, {option, false, NIL, ids_and_time(ratings)}, is_usable);
        return further.count++;
    };
    if (options.label) further.label = add("label", options.label, is_label);
    if (!options.weighs_events() && !options.excludes_events()) return further;
    const char* event = options.event_column ? options.event_column : guess_event_column(further);
    further.event = add("event_column", event, is_event);
    return further;
}

nlohmann::json names_to_json(const SideColumns& columns) {
    nlohmann::json names = nlohmann::json::array();
    for (int i = 0; i < columns.count; ++i) names.push_back(to_utf8(columns.columns[i].column.name));
    return names;
}

nlohmann::json side_to_json(const SideTable& table, std::uint64_t system) {
    nlohmann::json value = source_to_json(table, system);
    value["id_column"] = to_utf8(table.id.name);
    return value;
}

/// With the columns that were decided on: a refresh reads the same, whatever the table has gained.
nlohmann::json items_to_json(const SideTable& table, std::uint64_t system) {
    nlohmann::json value = side_to_json(table, system);
    if (table.texts.count == 0 && !table.has_vector) return value;
    value["text"] = names_to_json(table.texts);
    value["features"] = names_to_json(table.features);
    if (table.has_vector) value["vector"] = to_utf8(table.vector.name);
    return value;
}

struct SideNames {
    bool has_items, has_users;
    SourceName items, users;
};

SideNames read_names(const char* json) {
    const std::uint64_t system = GetSystemIdentifier();
    return guarded([&] {
        const nlohmann::json value = nlohmann::json::parse(to_utf8(json));
        SideNames names{value.contains("items"), value.contains("users"), {}, {}};
        if (names.has_items) names.items = source_from_json(value.at("items"), system);
        if (names.has_users) names.users = source_from_json(value.at("users"), system);
        return names;
    });
}

Oid find_side(bool is_given, const SourceName& name, const char* what) {
    if (!is_given) return InvalidOid;
    const Oid relation = find_source(name);
    if (!OidIsValid(relation))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                        errmsg("relation %s, the table of %s, does not exist", name.relation, what),
                        errdetail("Another relation of that name, if there is one, is not the same."),
                        errhint("It was there when seqrec_train was called. Call seqrec_train again.")));
    return relation;
}

ColumnList list_columns(const Column* keys, int key_count, const SideColumn* features, int count) {
    ColumnList list{static_cast<Column*>(palloc0(sizeof(Column) * static_cast<Size>(key_count + count))), 0};
    for (int i = 0; i < key_count; ++i) list.columns[list.count++] = keys[i];
    for (int i = 0; i < count; ++i) list.columns[list.count++] = features[i].column;
    return list;
}

}  // namespace

TrainingSource open_training(const RatingsTable& ratings, Oid items, Oid users,
                             const TrainingOptions& options) {
    TrainingSource source{ratings, find_further(ratings, options), nullptr, nullptr};
    const char* item_id = options.items.id_column ? options.items.id_column : ratings.item.name;
    if (!OidIsValid(items)) refuse_without_table(options.content);
    if (OidIsValid(items) && options.content.taken)
        source.items = open_items(items, options, item_id);
    else if (OidIsValid(items))
        source.items = open_side(items, options.items, ratings.item.name, "item_id_column", "item_features");
    else
        refuse_without_table(options.items, "items", "item_id_column", "item_features");
    if (OidIsValid(users))
        source.users = open_side(users, options.users, ratings.user.name, "user_id_column", "user_features");
    else
        refuse_without_table(options.users, "users", "user_id_column", "user_features");
    return source;
}

char* training_to_json(const TrainingSource& source) {
    const std::uint64_t system = GetSystemIdentifier();
    return guarded([&] {
        nlohmann::json value = ratings_to_json(source.ratings, system);
        if (source.items) value["items"] = items_to_json(*source.items, system);
        if (source.users) value["users"] = side_to_json(*source.users, system);
        return from_utf8(json_text(value));
    });
}

TrainingSource parse_training(const char* json, const TrainingOptions& options) {
    const RatingsTable ratings = parse_ratings(json);
    const SideNames names = read_names(json);
    const Oid items = find_side(names.has_items, names.items, "items");
    const Oid users = find_side(names.has_users, names.users, "users");
    return open_training(ratings, items, users, options);
}

SideTable* parse_items(const char* json, const TrainingOptions& options) {
    const SideNames names = read_names(json);
    const Oid relation = find_side(names.has_items, names.items, "items");
    if (!OidIsValid(relation) || !options.items.id_column || !options.content.taken)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("there is no table of items to read"),
                        errhint("Train with items => 'table' and the option item_text.")));
    return open_items(relation, options, options.items.id_column);
}

ColumnList columns_of(const TrainingSource& source) {
    const Column keys[] = {source.ratings.user, source.ratings.item, source.ratings.time};
    return list_columns(keys, 3, source.further.columns, source.further.count);
}

ColumnList columns_of(const SideTable& table) {
    const Column keys[] = {table.id, table.vector};
    const SideColumns &features = table.features, &texts = table.texts;
    const auto size = sizeof(SideColumn) * static_cast<Size>(features.count + texts.count + 1);
    auto* others = static_cast<SideColumn*>(palloc0(size));
    std::copy_n(features.columns, features.count, others);
    std::copy_n(texts.columns, texts.count, others + features.count);
    return list_columns(keys, table.has_vector ? 2 : 1, others, features.count + texts.count);
}

}  // namespace seqrec
