// The SQL functions that recommend to many askers in one pass over the items.
#include "sql/answering.hpp"
#include "sql/context.hpp"
#include "sql/many_processes.hpp"
#include "sql/result_rows.hpp"

extern "C" {
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
}

namespace seqrec {
namespace {

[[noreturn]] void clicks_misshapen() {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("clicks must be an array with one array of ids or null for each user"),
                    errhint("For example '[[\"a\", \"b\"], null]'; null means the user's own latest rows.")));
}

std::string_view json_id(const JsonbValue& value) {
    if (value.type == jbvString)
        return {value.val.string.val, static_cast<std::size_t>(value.val.string.len)};
    if (value.type == jbvNumeric)
        return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
    clicks_misshapen();
}

/// The ids up to the end of an array of which the iterator has just entered.
IdArray json_ids(JsonbIterator** iterator, int count) {
    check_count(count, "clicks", kMostClicks);
    IdArray ids{
        static_cast<std::string_view*>(palloc(sizeof(std::string_view) * static_cast<Size>(count + 1))), 0};
    JsonbValue value;
    while (JsonbIteratorNext(iterator, &value, true) == WJB_ELEM)
        if (value.type != jbvNull) ids.ids[ids.count++] = json_id(value);
    return ids;
}

/// The clicks of all askers; nothing else may be in the document.
void read_clicks(Jsonb* clicks, std::span<SqlAsker> askers) {
    if (!JB_ROOT_IS_ARRAY(clicks) || JB_ROOT_IS_SCALAR(clicks)) clicks_misshapen();
    if (JB_ROOT_COUNT(clicks) != askers.size())
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("there are %zu users but clicks of %u", askers.size(), JB_ROOT_COUNT(clicks)),
                        errhint("Give one array of clicks, or null, for each user.")));
    JsonbIterator* iterator = JsonbIteratorInit(&clicks->root);
    JsonbValue value;
    (void)JsonbIteratorNext(&iterator, &value, false);  // into the outer array
    for (SqlAsker& asker : askers) {
        const JsonbIteratorToken token = JsonbIteratorNext(&iterator, &value, false);
        if (token == WJB_ELEM && value.type == jbvNull) continue;
        if (token != WJB_BEGIN_ARRAY) clicks_misshapen();
        asker.clicks_given = true;
        asker.clicks = json_ids(&iterator, value.val.array.nElems);
    }
}

std::span<SqlAsker> read_all_askers(FunctionCallInfo fcinfo) {
    if (PG_ARGISNULL(0))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("user_ids must not be NULL"),
                        errhint("Give an empty array for no users; a NULL in it is somebody unknown.")));
    const IdArray users = id_array(PG_GETARG_DATUM(0), "user_ids", kMostAskers, Nulls::Kept);
    const std::span<SqlAsker> all = askers_of(users);
    if (!PG_ARGISNULL(1)) read_clicks(PG_GETARG_JSONB_P(1), all);
    return all;
}

/// The rows of one asker of a batch.
void put_batch_rows(ReturnSetInfo* info, std::size_t request, const SqlAsker& asker, const Answer& answer) {
    const Datum user = asker.user.data() ? id_datum(asker.user) : (Datum)0;
    const Datum source = CStringGetTextDatum(source_of(asker, answer));
    int rank = 0;
    for (const ScoredItem& item : answer.items) {
        Datum values[6] = {Int32GetDatum(static_cast<std::int32_t>(request)),
                           user,
                           Int32GetDatum(++rank),
                           indexed_id(work.model->snapshot->items(), item.item),
                           Float4GetDatum(item.score),
                           source};
        bool nulls[6] = {false, !asker.user.data()};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
}

/// The rows of one user of the model.
void put_user_rows(void* state, std::int32_t user, std::span<const ScoredItem> items) {
    auto* info = static_cast<ReturnSetInfo*>(state);
    const Snapshot& snapshot = *work.model->snapshot;
    const Datum id = indexed_id(snapshot.users(), user);
    int rank = 0;
    for (const ScoredItem& item : items) {
        Datum values[4] = {id, Int32GetDatum(++rank), indexed_id(snapshot.items(), item.item),
                           Float4GetDatum(item.score)};
        bool nulls[4] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_recommend_batch);
Datum seqrec_recommend_batch(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::span<SqlAsker> askers = read_all_askers(fcinfo);
    Wish wish = read_wish(fcinfo, 2);
    read_contexts(fcinfo, 2 + kWishes, askers);
    begin_answering(wish, askers);
    ReturnSetInfo* info = begin_rows(fcinfo);
    answer_in_blocks(
        askers, [&](std::size_t i, const Answer& answer) { put_batch_rows(info, i + 1, askers[i], answer); });
    return (Datum)0;
}

PG_FUNCTION_INFO_V1(seqrec_recommend_all);
Datum seqrec_recommend_all(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    Wish wish = read_wish(fcinfo, 0);
    begin_answering_all(wish);
    answer_all_users(fcinfo, put_user_rows, begin_rows(fcinfo));
    return (Datum)0;
}
}
