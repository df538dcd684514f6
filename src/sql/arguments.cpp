#include "sql/arguments.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pg/catalog.hpp"
#include "pg/settings.hpp"
#include "sql/context.hpp"
#include "sql/number_ids.hpp"

extern "C" {
#include "access/tupmacs.h"
#include "utils/builtins.h"
}

namespace seqrec {

std::string_view text_id(Datum value) {
    struct varlena* text = PG_DETOAST_DATUM_PACKED(value);
    return {VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)};
}

namespace {

/// The elements as they lie one after the other; a default string_view for NULL.
std::span<std::string_view> text_elements(const ArrayType* array) {
    const int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    auto* ids = static_cast<std::string_view*>(
        palloc_extended(sizeof(std::string_view) * static_cast<Size>(count + 1), MCXT_ALLOC_HUGE));
    char* next = ARR_DATA_PTR(array);
    const bits8* nulls = ARR_NULLBITMAP(array);
    for (int i = 0; i < count; ++i) {
        ids[i] = {};
        if (nulls && !(nulls[i / 8] >> (i % 8) & 1)) continue;
        next = reinterpret_cast<char*>(att_align_pointer(next, TYPALIGN_INT, -1, next));
        ids[i] = text_id(PointerGetDatum(next));
        next = att_addlength_pointer(next, -1, next);
    }
    return {ids, static_cast<std::size_t>(count)};
}

GivenArray flat_array(Datum argument) {
    if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(argument))) {
        const auto* array = reinterpret_cast<ExpandedArrayHeader*>(DatumGetEOHP(argument));
        if (array->ea_magic == EA_MAGIC && array->fvalue) return {array->fvalue, array->hdr.eoh_context};
    }
    return {DatumGetArrayTypeP(argument), nullptr};
}

}  // namespace

GivenArray given_array(Datum argument, const char* name, int limit) {
    const GivenArray given = flat_array(argument);
    const ArrayType* array = given.array;
    if (ARR_NDIM(array) > 1)
        ereport(ERROR,
                (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("%s must be a one-dimensional array", name),
                 errhint("Give ids of items: ARRAY['a', 'b']; clicks are oldest first.")));
    const int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    check_count(count, name, limit);
    return given;
}

void check_count(int count, const char* name, int limit) {
    if (count > limit)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many %s: %d", name, count),
                        errhint("At most %d may be given.", limit)));
}

IdArray ids_of(const ArrayType* array, Nulls nulls) {
    const std::span<std::string_view> ids = holds_numbers(array) ? number_texts(array) : text_elements(array);
    const auto end = nulls == Nulls::Kept ? ids.end()
                                          : std::remove_if(ids.begin(), ids.end(),
                                                           [](std::string_view id) { return !id.data(); });
    return {ids.data(), static_cast<int>(end - ids.begin())};
}

IdArray id_array(Datum argument, const char* name, int limit, Nulls nulls) {
    return ids_of(given_array(argument, name, limit).array, nulls);
}

SqlAsker read_asker(FunctionCallInfo fcinfo, int context) {
    if (PG_NARGS() <= context) report_old_extension();
    SqlAsker asker{};
    if (!PG_ARGISNULL(0)) asker.user = text_id(PG_GETARG_DATUM(0));
    asker.clicks_given = !PG_ARGISNULL(1);
    if (asker.clicks_given) asker.clicks = id_array(PG_GETARG_DATUM(1), "clicks", kMostClicks);
    asker.context = read_context(fcinfo, context);
    return asker;
}

int checked_k(int k) {
    if (k < 1 || k > kMostItems)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("k is %d", k),
                        errhint("k is the number of items wanted, from 1 to %d.", kMostItems)));
    return k;
}

int read_k(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("k must not be NULL"),
                        errhint("Leave k out for its default, 10.")));
    return checked_k(PG_GETARG_INT32(number));
}

float read_diversity(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number)) return 0;
    const float diversity = PG_GETARG_FLOAT4(number);
    if (!(diversity >= 0 && diversity <= 1))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("diversity is %g", diversity),
                 errhint("It is how much the items shall differ from one another, from 0 (the best, whatever "
                         "they are like) to 1.")));
    return diversity;
}

std::string_view read_model(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("model must not be NULL"),
                        errhint("Leave model out for the model named \"default\".")));
    return text_id(PG_GETARG_DATUM(number));
}

namespace {

IdArray read_ids(FunctionCallInfo fcinfo, int number, const char* name) {
    return PG_ARGISNULL(number) ? IdArray{} : id_array(PG_GETARG_DATUM(number), name, kMostGivenIds);
}

float read_min_score(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number)) return -std::numeric_limits<float>::infinity();
    if (std::isnan(PG_GETARG_FLOAT4(number)))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("min_score must be a number"),
                        errhint("Leave min_score out, or give NULL, to get items of any score.")));
    return PG_GETARG_FLOAT4(number);
}

float read_min_probability(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number)) return 0;
    const float least = PG_GETARG_FLOAT4(number);
    if (!(least >= 0 && least <= 1))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("min_probability is %g", least),
                        errhint("It is the least probability of an item, from 0 to 1; leave it out, or give "
                                "NULL, to get items of any.")));
    return least;
}

GivenArray read_candidates(FunctionCallInfo fcinfo, int number) {
    return PG_ARGISNULL(number) ? GivenArray{}
                                : given_array(PG_GETARG_DATUM(number), "candidates", kMostGivenIds);
}

/// What both kinds of wishes begin with.
Wish begin_wish(FunctionCallInfo fcinfo, int first) {
    Wish wish{};
    wish.k = read_k(fcinfo, first);
    wish.model = read_model(fcinfo, first + 1);
    wish.exclude = read_ids(fcinfo, first + 2, "exclude");
    return wish;
}

}  // namespace

Wish read_wish(FunctionCallInfo fcinfo, int first) {
    if (PG_NARGS() < first + kWishes) report_old_extension();
    Wish wish = begin_wish(fcinfo, first);
    if (!PG_ARGISNULL(first + 3)) wish.exclude_seen = PG_GETARG_BOOL(first + 3);
    wish.candidates = read_candidates(fcinfo, first + 4);
    wish.min_score = read_min_score(fcinfo, first + 5);
    wish.min_probability = read_min_probability(fcinfo, first + 6);
    wish.wants_probability = !PG_ARGISNULL(first + 6);
    wish.diversity = read_diversity(fcinfo, first + 7);
    return wish;
}

Wish read_item_wish(FunctionCallInfo fcinfo, int first) {
    Wish wish = begin_wish(fcinfo, first);
    wish.candidates = read_candidates(fcinfo, first + 3);
    wish.min_score = read_min_score(fcinfo, first + 4);
    return wish;
}

Request Wish::request() const {
    Request request{k};
    request.exclude = exclude.view();
    request.exclude_seen = exclude_seen;
    request.min_score = min_score;
    request.min_probability = min_probability;
    request.diversity = diversity;
    request.exact = settings::exact;
    request.probes = settings::probes;
    return request;
}

}  // namespace seqrec
