// The SQL functions that recommend: fetch arguments, compute in core/, build rows.
#include "core/recommend.hpp"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "boundary.hpp"
#include "history.hpp"
#include "result_rows.hpp"
#include "serving_model.hpp"

extern "C" {
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
}

namespace seqrec {
namespace {

/// Answers until their rows are built. Static, so that no destructor is skipped when building them fails.
struct Work {
    ServingModel* model;
    Request request;
    Poll poll = check_for_interrupts;
    std::unique_ptr<const Recommender> recommender;
    std::vector<Answer> answers;
};
Work work;

/// Reads the histories that are wanted, then opens the model: a view over the ratings may have called
/// seqrec_recommend itself, and another version may be active since.
void begin(const Wish& wish, std::span<SqlAsker> askers) {
    for (SqlAsker& asker : askers) read_missing_clicks(asker, wish.model);
    ServingModel& model = serving_model(wish.model.data(), wish.model.size());
    guarded([&] {
        work.model = &model;
        work.request = wish.request();
        work.answers.clear();
        work.recommender = std::make_unique<const Recommender>(*model.snapshot, work.request, work.poll);
    });
}

/// Fills work.answers for some of the askers.
void answer(std::span<const SqlAsker> askers) {
    guarded([&] {
        std::vector<Asker> plain;
        for (const SqlAsker& asker : askers) plain.push_back({asker.user, asker.clicks.view()});
        work.answers = work.recommender->answer(plain);
    });
}

/// A popular list instead of a personal one is never silent.
void tell_fallback() {
    if (work.answers.front().source == Source::Popular)
        ereport(
            NOTICE,
            (errmsg("neither the user nor any click is known to model \"%s\": the most popular items answer",
                    work.model->name.c_str()),
             errhint("seqrec_recommend_info() tells this in a column.")));
}

Datum recommend_rows(FunctionCallInfo fcinfo, Oid type) {
    SqlAsker asker = read_asker(fcinfo, type);
    begin(read_wish(fcinfo, 2, type), std::span(&asker, 1));
    answer(std::span(&asker, 1));
    tell_fallback();
    put_ranked(fcinfo, *work.model->snapshot, work.answers.front().items, type);
    return (Datum)0;
}

nlohmann::json describe(const SqlAsker& asker, const Answer& answer) {
    const Snapshot& snapshot = *work.model->snapshot;
    nlohmann::json items = nlohmann::json::array(), unknown = nlohmann::json::array();
    for (const ScoredItem& item : answer.items)
        items.push_back({{"rank", items.size() + 1},
                         {"item_id", to_utf8(snapshot.items().id(item.item))},
                         {"score", item.score}});
    for (const std::uint32_t position : answer.unknown_clicks)
        unknown.push_back(to_utf8(asker.clicks.ids[position]));
    const bool own_history = asker.wants_history() && answer.source == Source::Clicks;
    return {{"model", to_utf8(work.model->name)},
            {"model_id", work.model->model_id},
            {"version", work.model->version},
            {"source", own_history ? "history" : source_name(answer.source)},
            {"fallback", answer.source == Source::Popular},
            {"user_known", answer.user_known},
            {"unknown_items", unknown},
            {"items", items}};
}

// --- batches ---

constexpr int kMostAskers = 1000000;
constexpr std::size_t kBlock = 512;  // askers whose answers wait for their rows at a time

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
    if (count > kMostClicks)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many clicks: %d", count),
                        errhint("At most %d may be given.", kMostClicks)));
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

std::span<SqlAsker> read_askers(FunctionCallInfo fcinfo) {
    if (PG_ARGISNULL(0))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("user_ids must not be NULL"),
                        errhint("Give an empty array for no users; a NULL in it is somebody unknown.")));
    const IdArray users = id_array(PG_GETARG_DATUM(0), TEXTOID, "user_ids", kMostAskers, Nulls::Kept);
    auto* askers = static_cast<SqlAsker*>(palloc0(sizeof(SqlAsker) * static_cast<Size>(users.count + 1)));
    for (int i = 0; i < users.count; ++i) askers[i].user = users.ids[i];
    const std::span<SqlAsker> all(askers, static_cast<std::size_t>(users.count));
    if (!PG_ARGISNULL(1)) read_clicks(PG_GETARG_JSONB_P(1), all);
    return all;
}

const char* source_of(const SqlAsker& asker, const Answer& answer) {
    if (asker.wants_history() && answer.source == Source::Clicks) return "history";
    return source_name(answer.source).data();
}

/// The rows of one asker of a batch.
void put_batch_rows(ReturnSetInfo* info, std::size_t request, const SqlAsker& asker, const Answer& answer) {
    const Datum user = asker.user.data() ? id_datum(asker.user, TEXTOID) : (Datum)0;
    const Datum source = CStringGetTextDatum(source_of(asker, answer));
    int rank = 0;
    for (const ScoredItem& item : answer.items) {
        Datum values[6] = {Int32GetDatum(static_cast<std::int32_t>(request)),
                           user,
                           Int32GetDatum(++rank),
                           indexed_id(work.model->snapshot->items(), item.item, TEXTOID),
                           Float4GetDatum(item.score),
                           source};
        bool nulls[6] = {false, !asker.user.data()};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
}

/// The rows of one user of the model.
void put_user_rows(ReturnSetInfo* info, std::int32_t user, const Answer& answer) {
    const Snapshot& snapshot = *work.model->snapshot;
    const Datum id = indexed_id(snapshot.users(), user, TEXTOID);
    int rank = 0;
    for (const ScoredItem& item : answer.items) {
        Datum values[4] = {id, Int32GetDatum(++rank), indexed_id(snapshot.items(), item.item, TEXTOID),
                           Float4GetDatum(item.score)};
        bool nulls[4] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
}

/// Runs `put` with memory of its own, so that a batch's rows need no more than one block's.
template <typename Put>
void in_scratch_memory(MemoryContext scratch, Put put) {
    const MemoryContext before = MemoryContextSwitchTo(scratch);
    put();
    MemoryContextSwitchTo(before);
    MemoryContextReset(scratch);
}

MemoryContext make_scratch() {
    return AllocSetContextCreate(CurrentMemoryContext, "seqrec rows", ALLOCSET_DEFAULT_SIZES);
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
    SqlAsker asker = read_asker(fcinfo, TEXTOID);
    begin(read_wish(fcinfo, 2, TEXTOID), std::span(&asker, 1));
    answer(std::span(&asker, 1));
    const char* text = guarded([&] { return from_utf8(describe(asker, work.answers.front()).dump()); });
    PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

PG_FUNCTION_INFO_V1(seqrec_recommend_batch);
Datum seqrec_recommend_batch(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::span<SqlAsker> askers = read_askers(fcinfo);
    begin(read_wish(fcinfo, 2, TEXTOID), askers);
    InitMaterializedSRF(fcinfo, 0);
    auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    const MemoryContext scratch = make_scratch();
    for (std::size_t at = 0; at < askers.size(); at += kBlock) {
        const auto block = askers.subspan(at, Min(kBlock, askers.size() - at));
        answer(block);
        in_scratch_memory(scratch, [&] {
            for (std::size_t i = 0; i < block.size(); ++i)
                put_batch_rows(info, at + i + 1, block[i], work.answers[i]);
        });
    }
    return (Datum)0;
}

PG_FUNCTION_INFO_V1(seqrec_recommend_all);
Datum seqrec_recommend_all(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    begin(read_wish(fcinfo, 0, TEXTOID), {});
    InitMaterializedSRF(fcinfo, 0);
    auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    const MemoryContext scratch = make_scratch();
    const auto users = static_cast<std::int32_t>(work.model->snapshot->users().size());
    for (std::int32_t at = 0, count; at < users; at += count) {
        count = Min(64, users - at);
        guarded([&] { work.answers = work.recommender->answer_users(at, count); });
        in_scratch_memory(scratch, [&] {
            for (std::int32_t i = 0; i < count; ++i)
                put_user_rows(info, at + i, work.answers[static_cast<std::size_t>(i)]);
        });
    }
    return (Datum)0;
}
}
