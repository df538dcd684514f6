// The SQL function that measures a model on rows of a table: its arguments.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "serving/history.hpp"
#include "sql/arguments.hpp"
#include "sql/evaluation.hpp"
#include "sql/result_rows.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}

namespace seqrec {
namespace {

constexpr int kMostKs = 100;

enum Argument {
    Model,
    Ratings,
    Ks,
    SplitBy,
    UserColumn,
    ItemColumn,
    TimeColumn,
    MaxUsers,
    Baselines,
    Label,
    PositiveFrom,
    Diversity,
    kArguments
};

// --- arguments ---

struct KList {
    std::int32_t* ks;
    int count;
};

[[noreturn]] void refuse_k(const char* what) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("k %s", what),
                    errhint("k holds 1 to %d lengths of lists, from 1 to %d each, as in '{5,10,20}'.",
                            kMostKs, kMostItems)));
    pg_unreachable();
}

/// Ascending, each once.
KList read_ks(FunctionCallInfo fcinfo) {
    if (PG_ARGISNULL(Ks)) refuse_k("is NULL");
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(Ks);
    if (ARR_NDIM(array) > 1 || array_contains_nulls(array)) refuse_k("is no list of numbers");
    const int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    if (count < 1 || count > kMostKs) refuse_k(psprintf("holds %d numbers", count));
    auto* ks = static_cast<std::int32_t*>(palloc(sizeof(std::int32_t) * static_cast<Size>(count)));
    memcpy(ks, ARR_DATA_PTR(array), sizeof(std::int32_t) * static_cast<Size>(count));
    std::sort(ks, ks + count);
    if (ks[0] < 1 || ks[count - 1] > kMostItems)
        refuse_k(psprintf("is %d", ks[0] < 1 ? ks[0] : ks[count - 1]));
    return {ks, static_cast<int>(std::unique(ks, ks + count) - ks)};
}

Split read_split(FunctionCallInfo fcinfo) {
    const char* name = PG_ARGISNULL(SplitBy) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(SplitBy));
    if (strcmp(name, "leave_one_out") == 0) return Split::LeaveOneOut;
    if (strcmp(name, "time") == 0) return Split::Time;
    if (strcmp(name, "held_out") == 0) return Split::HeldOut;
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("split is \"%s\"", name),
             errhint("It is 'leave_one_out' (each user's last is asked for), 'time' (the last tenth of all "
                     "by time) or 'held_out' (the rows are of users that the model was not trained on).")));
    pg_unreachable();
}

std::int64_t read_max_users(FunctionCallInfo fcinfo) {
    if (PG_ARGISNULL(MaxUsers)) return 0;
    const int most = PG_GETARG_INT32(MaxUsers);
    if (most < 1)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_users is %d", most),
                        errhint("Leave it out, or give NULL, to ask about all users.")));
    return most;
}

const char* name_argument(FunctionCallInfo fcinfo, int number) {
    return PG_ARGISNULL(number) ? nullptr : NameStr(*PG_GETARG_NAME(number));
}

// --- the table ---

/// A column of the model's source.
const char* source_column(const ModelVersion& version, const char* key) {
    return guarded([&] {
        const auto source = nlohmann::json::parse(to_utf8(version.source));
        return from_utf8(source.at(key).get_ref<const std::string&>());
    });
}

/// The table and columns of the call, those of the training where it names none.
RatingsTable find_table(FunctionCallInfo fcinfo, const ModelVersion& version) {
    const auto column = [&](int number, const char* key) {
        const char* name = name_argument(fcinfo, number);
        return name ? name : source_column(version, key);
    };
    const Oid relation = PG_ARGISNULL(Ratings) ? parse_relation(version.source) : PG_GETARG_OID(Ratings);
    RatingsTable ratings =
        open_ratings(relation, column(UserColumn, "user_column"), column(ItemColumn, "item_column"),
                     column(TimeColumn, "time_column"), Temporary::Taken);
    ratings.shows_places = pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
    return ratings;
}

/// What the model's config says of labels.
struct LabelConfig {
    const char* column;               // null for none
    double positive_from, threshold;  // positive_from: NaN for none
};

LabelConfig label_config(const ModelVersion& version) {
    return guarded([&] {
        const auto config = nlohmann::json::parse(to_utf8(version.config));
        const auto number = [&](const char* key, double otherwise) {
            return config.contains(key) && config[key].is_number() ? config[key].get<double>() : otherwise;
        };
        const bool has_label = config.contains("label") && config["label"].is_string();
        return LabelConfig{has_label ? from_utf8(config["label"].get<std::string>()) : nullptr,
                           number("positive_from", NAN), number("threshold", 0.5)};
    });
}

/// The column of labels that the call names, or that the model was trained with and the table has.
LabelColumn find_label(const char* given, const LabelConfig& config, const RatingsTable& ratings) {
    const char* name = given ? given : config.column;
    if (!name) return {};
    const AttrNumber number = get_attnum(ratings.relation, name);
    if (number == InvalidAttrNumber && !given) {
        ereport(NOTICE,
                (errmsg("%s has no column \"%s\", the label of the training: probabilities are not measured",
                        ratings.qualified, name),
                 errhint("Name its column of labels: label => '...'.")));
        return {};
    }
    if (number == InvalidAttrNumber)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("column \"%s\" of relation %s does not exist", name, ratings.qualified),
                        errhint("Name the right one: label => '...'.")));
    const Oid type = getBaseType(get_atttype(ratings.relation, number));
    const Oid numbers[] = {INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID};
    if (type != BOOLOID && std::ranges::find(numbers, type) == std::end(numbers))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("label \"%s\" has type %s", name, format_type_be(type)),
                        errhint("A label is a boolean or a number.")));
    return {name, type == BOOLOID};
}

/// Labels from here on are positive; a boolean is 0 or 1.
double positive_from(FunctionCallInfo fcinfo, const LabelColumn& label, const LabelConfig& config) {
    if (label.is_boolean) return 0.5;
    double from = PG_ARGISNULL(PositiveFrom) ? config.positive_from : PG_GETARG_FLOAT8(PositiveFrom);
    const bool as_trained = label.name && config.column && strcmp(label.name, config.column) == 0;
    if (std::isnan(from) && as_trained) return 0.5;  // the training made sure that they are 0 and 1
    if (label.name && std::isnan(from))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("it is not known which labels are positive"),
                        errhint("Give the least positive one: positive_from => 4.")));
    return from;
}

/// Which rows a model has been told, and until when, is what users did.
void require_evaluation(const ModelVersion& version) {
    if (has_history_right(version.owner)) return;
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("permission denied for an evaluation of model \"%s\"", version.name),
             errhint("It tells what the model knows of users, and is for members of its owner and for roles "
                     "that may execute seqrec_history.")));
}

/// Without its name: whose table a model was trained on is its owner's to tell.
void require_table(const RatingsTable& ratings) {
    for (const Column& column : {ratings.user, ratings.item, ratings.time})
        if (pg_class_aclcheck(ratings.relation, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
            pg_attribute_aclcheck(ratings.relation, column.number, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
            ereport(
                ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                 errmsg("permission denied for the table that the model was trained on"),
                 errhint(
                     "Give a table that you may read: ratings => '...', or let its owner GRANT SELECT.")));
}

EvaluateCall read_call(FunctionCallInfo fcinfo) {
    if (PG_NARGS() < kArguments) report_old_extension();
    const std::string_view model = read_model(fcinfo, Model);
    EvaluateCall call{};
    const KList ks = read_ks(fcinfo);
    call.ks = ks.ks;
    call.k_count = ks.count;
    call.split = read_split(fcinfo);
    call.most_users = read_max_users(fcinfo);
    call.baselines = PG_ARGISNULL(Baselines) || PG_GETARG_BOOL(Baselines);
    call.diversity = read_diversity(fcinfo, Diversity);
    call.version = find_model_version(pnstrdup(model.data(), model.size()));
    require_evaluation(call.version);
    call.ratings = find_table(fcinfo, call.version);
    if (PG_ARGISNULL(Ratings)) require_table(call.ratings);
    const LabelConfig config = label_config(call.version);
    call.label = find_label(name_argument(fcinfo, Label), config, call.ratings);
    call.positive_from = positive_from(fcinfo, call.label, config);
    call.threshold = config.threshold;
    return call;
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_evaluate);
Datum seqrec_evaluate(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const EvaluateCall call = read_call(fcinfo);
    run_evaluation(call, begin_rows(fcinfo));
    return (Datum)0;
}
}
