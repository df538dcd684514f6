#include "sql/arguments.hpp"

#include <charconv>
#include <cmath>
#include <limits>

#include "pg/settings.hpp"

extern "C" {
#include "utils/builtins.h"
}

namespace seqrec {

namespace {

constexpr std::size_t kMostDigits = 20;  // of a bigint, its sign included

std::string_view write_bigint(std::int64_t value, char* digits) {
    return {digits,
            static_cast<std::size_t>(std::to_chars(digits, digits + kMostDigits, value).ptr - digits)};
}

}  // namespace

std::string_view bigint_id(std::int64_t value) {
    return write_bigint(value, static_cast<char*>(palloc(kMostDigits)));
}

std::string_view text_id(Datum value) {
    struct varlena* text = PG_DETOAST_DATUM_PACKED(value);
    return {VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)};
}

std::string_view any_id(Datum value, Oid type) {
    return type == INT8OID ? bigint_id(DatumGetInt64(value)) : text_id(value);
}

IdArray id_array(Datum argument, Oid type, const char* name, int limit, Nulls nulls) {
    ArrayType* array = DatumGetArrayTypeP(argument);
    if (ARR_NDIM(array) > 1)
        ereport(ERROR,
                (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("%s must be a one-dimensional array", name),
                 errhint("Give ids of items: ARRAY['a', 'b']; clicks are oldest first.")));
    Datum* values;
    bool* is_null;
    int count;
    if (type == INT8OID)
        deconstruct_array(array, INT8OID, sizeof(std::int64_t), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values,
                          &is_null, &count);
    else
        deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &is_null, &count);
    if (count > limit)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many %s: %d", name, count),
                        errhint("At most %d may be given.", limit)));
    IdArray result{static_cast<std::string_view*>(palloc_extended(
                       sizeof(std::string_view) * static_cast<Size>(count + 1), MCXT_ALLOC_HUGE)),
                   0};
    const bool whole_numbers = type == INT8OID;  // their digits lie in one piece of memory
    char* digits =
        whole_numbers
            ? static_cast<char*>(palloc_extended(kMostDigits * static_cast<Size>(count + 1), MCXT_ALLOC_HUGE))
            : nullptr;
    for (int i = 0; i < count; ++i) {
        if (is_null[i] && nulls != Nulls::Kept) continue;
        std::string_view& id = result.ids[result.count++];
        if (is_null[i])
            id = {};
        else if (whole_numbers)
            id = write_bigint(DatumGetInt64(values[i]), digits + kMostDigits * static_cast<Size>(i));
        else
            id = text_id(values[i]);
    }
    return result;
}

SqlAsker read_asker(FunctionCallInfo fcinfo, Oid type) {
    SqlAsker asker{};
    if (!PG_ARGISNULL(0)) asker.user = any_id(PG_GETARG_DATUM(0), type);
    asker.clicks_given = !PG_ARGISNULL(1);
    if (asker.clicks_given) asker.clicks = id_array(PG_GETARG_DATUM(1), type, "clicks", kMostClicks);
    return asker;
}

int read_k(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("k must not be NULL"),
                        errhint("Leave k out for its default, 10.")));
    const int k = PG_GETARG_INT32(number);
    if (k < 1 || k > kMostItems)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("k is %d", k),
                        errhint("k is the number of items wanted, from 1 to %d.", kMostItems)));
    return k;
}

std::string_view read_model(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("model must not be NULL"),
                        errhint("Leave model out for the model named \"default\".")));
    return text_id(PG_GETARG_DATUM(number));
}

Wish read_wish(FunctionCallInfo fcinfo, int first, Oid type) {
    Wish wish{};
    wish.k = read_k(fcinfo, first);
    wish.model = read_model(fcinfo, first + 1);
    if (!PG_ARGISNULL(first + 2))
        wish.exclude = id_array(PG_GETARG_DATUM(first + 2), type, "exclude", kMostIds);
    if (!PG_ARGISNULL(first + 3)) wish.exclude_seen = PG_GETARG_BOOL(first + 3);
    wish.candidates_given = !PG_ARGISNULL(first + 4);
    if (wish.candidates_given)
        wish.candidates = id_array(PG_GETARG_DATUM(first + 4), type, "candidates", kMostIds);
    wish.min_score =
        PG_ARGISNULL(first + 5) ? -std::numeric_limits<float>::infinity() : PG_GETARG_FLOAT4(first + 5);
    if (std::isnan(wish.min_score))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("min_score must be a number"),
                        errhint("Leave min_score out, or give NULL, to get items of any score.")));
    return wish;
}

Request Wish::request() const {
    Request request{k};
    request.exclude = exclude.view();
    if (candidates_given) request.candidates = candidates.view();
    request.exclude_seen = exclude_seen;
    request.min_score = min_score;
    request.exact = settings::exact;
    request.probes = settings::probes;
    return request;
}

}  // namespace seqrec
