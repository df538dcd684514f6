// The SQL functions that serve: fetch arguments, compute in core/, build rows.
#include "core/recommend.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "boundary.hpp"
#include "history.hpp"
#include "serving_model.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
}

namespace seqrec {
namespace {

constexpr int kMostItems = 10000;    // k; a longer list is a ranking of the catalogue
constexpr int kMostClicks = 100000;  // only the last max_len count

/// The arguments of a call, as text, in the call's memory.
struct Call {
    IdSlice user;
    IdSlice* clicks;
    int click_count;
    bool clicks_given;
    int k;
    const char* model;
    std::size_t model_length;
};

/// A call's answer, kept until its rows are built. Static, so that no destructor is skipped when building
/// them fails.
struct Result {
    ServingModel* model;
    std::vector<std::string_view> clicks;
    Answer answer;
    bool from_history;
};
Result result;

IdSlice bigint_slice(std::int64_t value) {
    char* digits = static_cast<char*>(palloc(24));
    return {digits, static_cast<std::size_t>(std::to_chars(digits, digits + 24, value).ptr - digits)};
}

IdSlice text_slice(Datum value) {
    struct varlena* text = PG_DETOAST_DATUM_PACKED(value);
    return {VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)};
}

IdSlice id_slice(Datum value, Oid type) {
    return type == INT8OID ? bigint_slice(DatumGetInt64(value)) : text_slice(value);
}

/// The elements of the clicks array that are not NULL.
void read_clicks(ArrayType* array, Oid type, Call* call) {
    Datum* values;
    bool* nulls;
    int count;
    if (ARR_NDIM(array) > 1)
        ereport(ERROR,
                (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("clicks must be a one-dimensional array"),
                 errhint("Give the ids of the items, oldest first: ARRAY['a', 'b'].")));
    if (type == INT8OID)
        deconstruct_array(array, INT8OID, sizeof(std::int64_t), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values,
                          &nulls, &count);
    else
        deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
    if (count > kMostClicks)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many clicks: %d", count),
                        errhint("At most %d may be given; only the latest matter.", kMostClicks)));
    call->clicks = static_cast<IdSlice*>(palloc(sizeof(IdSlice) * static_cast<Size>(count + 1)));
    call->click_count = 0;
    for (int i = 0; i < count; ++i)
        if (!nulls[i]) call->clicks[call->click_count++] = id_slice(values[i], type);
}

Call read_call(FunctionCallInfo fcinfo, Oid type) {
    Call call{};
    if (!PG_ARGISNULL(0)) call.user = id_slice(PG_GETARG_DATUM(0), type);
    call.clicks_given = !PG_ARGISNULL(1);
    if (call.clicks_given) read_clicks(PG_GETARG_ARRAYTYPE_P(1), type, &call);
    if (PG_ARGISNULL(2) || PG_ARGISNULL(3))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("k and model must not be NULL")));
    call.k = PG_GETARG_INT32(2);
    if (call.k < 1 || call.k > kMostItems)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("k is %d", call.k),
                        errhint("k is the number of items wanted, from 1 to %d.", kMostItems)));
    const IdSlice model = text_slice(PG_GETARG_DATUM(3));
    call.model = model.data;
    call.model_length = model.size;
    return call;
}

std::string_view view(IdSlice slice) { return {slice.data, slice.size}; }

/// Fills `result`. Its views point into the call's memory and the snapshot.
void answer(Call& call) {
    const bool from_history = !call.clicks_given && call.user.data;
    if (from_history)
        call.clicks =
            read_history(serving_model(call.model, call.model_length), call.user, &call.click_count);
    ServingModel& model = serving_model(call.model, call.model_length);
    guarded([&] {
        result.model = &model;
        result.from_history = from_history;
        result.clicks.clear();
        for (int i = 0; i < call.click_count; ++i) result.clicks.push_back(view(call.clicks[i]));
        result.answer =
            recommend(*model.snapshot, {view(call.user), result.clicks, call.k}, check_for_interrupts);
    });
}

/// A popular list instead of a personal one is never silent.
void tell_fallback() {
    if (result.answer.source == Source::Popular)
        ereport(
            NOTICE,
            (errmsg("neither the user nor any click is known to model \"%s\": the most popular items answer",
                    result.model->name.c_str()),
             errhint("seqrec_recommend_info() tells this in a column.")));
}

Datum bigint_item(std::string_view id) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), value);
    if (error != std::errc() || end != id.data() + id.size())
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("item id \"%s\" is not a bigint", pnstrdup(id.data(), id.size())),
                        errhint("Call seqrec_recommend with the user's id as text.")));
    return Int64GetDatum(value);
}

Datum item_datum(std::string_view id, Oid type) {
    if (type == INT8OID) return bigint_item(id);
    return PointerGetDatum(cstring_to_text_with_len(id.data(), static_cast<int>(id.size())));
}

void put_rows(FunctionCallInfo fcinfo, Oid type) {
    InitMaterializedSRF(fcinfo, 0);
    auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    int rank = 0;
    for (const ScoredItem& item : result.answer.items) {
        Datum values[3] = {Int32GetDatum(++rank),
                           item_datum(result.model->snapshot->items().id(item.item), type),
                           Float4GetDatum(item.score)};
        bool nulls[3] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
}

Datum recommend_rows(FunctionCallInfo fcinfo, Oid type) {
    Call call = read_call(fcinfo, type);
    answer(call);
    tell_fallback();
    put_rows(fcinfo, type);
    return (Datum)0;
}

nlohmann::json describe_result() {
    const Snapshot& snapshot = *result.model->snapshot;
    nlohmann::json items = nlohmann::json::array(), unknown = nlohmann::json::array();
    for (const ScoredItem& item : result.answer.items)
        items.push_back({{"rank", items.size() + 1},
                         {"item_id", to_utf8(snapshot.items().id(item.item))},
                         {"score", item.score}});
    for (const std::uint32_t position : result.answer.unknown_clicks)
        unknown.push_back(to_utf8(result.clicks[position]));
    const bool own_history = result.from_history && result.answer.source == Source::Clicks;
    return {{"model", to_utf8(result.model->name)},
            {"model_id", result.model->model_id},
            {"version", result.model->version},
            {"source", own_history ? "history" : source_name(result.answer.source)},
            {"fallback", result.answer.source == Source::Popular},
            {"user_known", result.answer.user_known},
            {"unknown_items", unknown},
            {"items", items}};
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_recommend_text);
Datum seqrec_recommend_text(PG_FUNCTION_ARGS) { return seqrec::recommend_rows(fcinfo, TEXTOID); }

PG_FUNCTION_INFO_V1(seqrec_recommend_bigint);
Datum seqrec_recommend_bigint(PG_FUNCTION_ARGS) { return seqrec::recommend_rows(fcinfo, INT8OID); }

PG_FUNCTION_INFO_V1(seqrec_recommend_info);
Datum seqrec_recommend_info(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    Call call = read_call(fcinfo, TEXTOID);
    answer(call);
    const char* text = guarded([] { return from_utf8(describe_result().dump()); });
    PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}
}
