// seqrec.answers: what seqrec-http asks. Ids and scores go as arrays, since a row an item costs more than the
// item.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "pg/catalog.hpp"
#include "serving/history.hpp"
#include "sql/answering.hpp"
#include "sql/context.hpp"
#include "sql/result_rows.hpp"

extern "C" {
#include "funcapi.h"
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

[[noreturn]] void counts_misfit() {
    ereport(ERROR,
            (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
             errmsg("click_counts must have one number, or NULL, for each user, and add up to the clicks"),
             errhint("NULL means the user's own latest rows.")));
}

constexpr int kProblem = 5, kProbabilities = 7, kColumns = 8;
constexpr int kContexts = 3 + kWishes, kKs = kContexts + 1, kHistoryTime = kKs + 1;  // arguments

struct Counts {
    Datum* values;
    bool* is_null;
    int size;
};

/// The numbers of an array; those of one with more dimensions are none for whom `size` is compared.
Counts read_numbers(FunctionCallInfo fcinfo, int number) {
    Counts counts{};
    if (PG_ARGISNULL(number)) return counts;
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(number);
    if (ARR_NDIM(array) > 1) return {nullptr, nullptr, -1};
    deconstruct_array(array, INT4OID, sizeof(std::int32_t), true, TYPALIGN_INT, &counts.values,
                      &counts.is_null, &counts.size);
    return counts;
}

/// Nobody has more clicks than seqrec_recommend takes; said before all of them are looked at.
void check_each(const Counts& counts) {
    for (int i = 0; i < counts.size; ++i)
        if (!counts.is_null[i]) check_count(DatumGetInt32(counts.values[i]), "clicks", kMostClicks);
}

/// Hands each asker its part of the clicks of all.
void share_clicks(const Counts& counts, IdArray clicks, std::span<SqlAsker> askers) {
    for (std::size_t i = 0; i < askers.size(); ++i) {
        if (counts.is_null[i]) continue;
        const std::int32_t count = DatumGetInt32(counts.values[i]);
        if (count < 0 || count > clicks.count) counts_misfit();
        askers[i].clicks_given = true;
        askers[i].clicks = {clicks.ids, count};
        clicks.ids += count;
        clicks.count -= count;
    }
    if (clicks.count != 0) counts_misfit();
}

/// Arguments 0 to 2: users, click_counts, clicks.
std::span<SqlAsker> read_http_askers(FunctionCallInfo fcinfo) {
    IdArray users{}, clicks{};
    if (!PG_ARGISNULL(0)) users = id_array(PG_GETARG_DATUM(0), "user_ids", kMostAskers, Nulls::Kept);
    const Counts counts = read_numbers(fcinfo, 1);
    if (PG_ARGISNULL(1) || counts.size != users.count) counts_misfit();
    check_each(counts);
    if (!PG_ARGISNULL(2)) clicks = id_array(PG_GETARG_DATUM(2), "clicks", kMostGivenIds, Nulls::Kept);
    const std::span<SqlAsker> all = askers_of(users);
    share_clicks(counts, clicks, all);
    return all;
}

/// How many items each of them wants, who wants another number than the rest.
void read_ks(FunctionCallInfo fcinfo, std::span<SqlAsker> askers) {
    if (PG_NARGS() <= kHistoryTime) report_old_extension();
    if (PG_ARGISNULL(kKs)) return;
    const Counts ks = read_numbers(fcinfo, kKs);
    if (ks.size != static_cast<int>(askers.size()))
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("ks must have one number, or NULL, for each user"), errhint("NULL means k.")));
    for (std::size_t i = 0; i < askers.size(); ++i)
        if (!ks.is_null[i]) askers[i].k = checked_k(DatumGetInt32(ks.values[i]));
}

/// Reads the histories that are wanted; how many askers may be answered, from the first on.
std::size_t read_histories(FunctionCallInfo fcinfo, std::span<SqlAsker> askers, std::string_view model) {
    if (!PG_ARGISNULL(kHistoryTime) && askers.size() > 1)
        return try_missing_clicks_within(askers, model, PG_GETARG_INT32(kHistoryTime));
    for (SqlAsker& asker : askers) try_missing_clicks(asker, model);
    return askers.size();
}

Datum text_array(Datum* elements, std::size_t count) {
    return PointerGetDatum(
        construct_array(elements, static_cast<int>(count), TEXTOID, -1, false, TYPALIGN_INT));
}

Datum item_ids(const Answer& answer) {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * answer.items.size()));
    for (std::size_t i = 0; i < answer.items.size(); ++i)
        elements[i] = indexed_id(work.model->snapshot->items(), answer.items[i].item);
    return text_array(elements, answer.items.size());
}

Datum scores(const Answer& answer) {
    auto* values = static_cast<float*>(palloc(sizeof(float) * answer.items.size()));
    for (std::size_t i = 0; i < answer.items.size(); ++i) values[i] = answer.items[i].score;
    return reals_datum({values, answer.items.size()});
}

/// Nothing where scores say no probabilities.
Datum probabilities(const Answer& answer) {
    if (!has_probabilities(answer)) return (Datum)0;
    auto* values = static_cast<float*>(palloc(sizeof(float) * answer.items.size()));
    for (std::size_t i = 0; i < answer.items.size(); ++i) values[i] = probability_of(answer.items[i].score);
    return reals_datum({values, answer.items.size()});
}

Datum unknown_context(const Answer& answer) {
    const std::size_t count = answer.unknown_context.size();
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * count));
    for (std::size_t i = 0; i < count; ++i)
        elements[i] = CStringGetTextDatum(guarded([&] { return from_utf8(answer.unknown_context[i]); }));
    return text_array(elements, count);
}

/// Those of the clicks that were given; what is new in a user's own rows is no news to the asker.
Datum unknown_items(const SqlAsker& asker, const Answer& answer) {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * answer.unknown_clicks.size()));
    std::size_t count = 0;
    for (const std::uint32_t position : answer.unknown_clicks)
        if (const std::string_view id = asker.clicks.ids[position]; asker.clicks_given && id.data())
            elements[count++] = id_datum(id);
    return text_array(elements, count);
}

/// What an asker whose history can't be read is told, as JSON.
Datum problem_datum(const ErrorData& error) {
    const char* text = guarded([&] {
        const auto optional = [](const char* part) {
            return part ? nlohmann::json(to_utf8(part)) : nlohmann::json();
        };
        return palloc_copy(json_text({{"sqlstate", unpack_sql_state(error.sqlerrcode)},
                                      {"message", to_utf8(error.message)},
                                      {"hint", optional(error.hint)}}));
    });
    return CStringGetTextDatum(text);
}

void put_problem(ReturnSetInfo* info, const SqlAsker& asker) {
    Datum values[kColumns] = {PointerGetDatum(construct_empty_array(TEXTOID)),
                              PointerGetDatum(construct_empty_array(FLOAT4OID)),
                              CStringGetTextDatum("unavailable"),
                              PointerGetDatum(construct_empty_array(TEXTOID)),
                              CStringGetTextDatum(work.model->version.c_str()),
                              problem_datum(*asker.problem),
                              PointerGetDatum(construct_empty_array(TEXTOID))};
    bool nulls[kColumns] = {};
    nulls[kProbabilities] = true;
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/// The row of an asker who is to be asked for again: without a version.
void put_nothing(ReturnSetInfo* info) {
    Datum values[kColumns] = {};
    bool nulls[kColumns];
    std::fill_n(nulls, kColumns, true);
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

void put_answer(ReturnSetInfo* info, const SqlAsker& asker, const Answer& answer) {
    if (asker.problem) return put_problem(info, asker);
    Datum values[kColumns] = {item_ids(answer),
                              scores(answer),
                              CStringGetTextDatum(source_of(asker, answer)),
                              unknown_items(asker, answer),
                              CStringGetTextDatum(work.model->version.c_str()),
                              (Datum)0,
                              unknown_context(answer),
                              probabilities(answer)};
    bool nulls[kColumns] = {};
    nulls[kProblem] = true;
    nulls[kProbabilities] = !has_probabilities(answer);
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_answers);
Datum seqrec_answers(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::span<SqlAsker> askers = read_http_askers(fcinfo);
    Wish wish = read_wish(fcinfo, 3);
    read_context_array(fcinfo, kContexts, askers);
    read_ks(fcinfo, askers);
    const std::size_t in_time = read_histories(fcinfo, askers, wish.model);
    open_for_answering(wish, askers);
    ReturnSetInfo* info = begin_rows(fcinfo);
    answer_in_blocks(askers.first(in_time),
                     [&](std::size_t i, const Answer& answer) { put_answer(info, askers[i], answer); });
    for (std::size_t i = in_time; i < askers.size(); ++i) put_nothing(info);
    return (Datum)0;
}
}
