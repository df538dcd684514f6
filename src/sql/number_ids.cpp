#include "sql/number_ids.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

extern "C" {
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
}

namespace seqrec {
namespace {

constexpr std::size_t kMostDigits = 20;  // with a sign

std::size_t count_of(const ArrayType* array) {
    return static_cast<std::size_t>(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)));
}

void* allocate(std::size_t bytes) { return palloc_extended(bytes + 1, MCXT_ALLOC_HUGE); }

bool is_null(const bits8* nulls, std::size_t at) { return nulls && !(nulls[at / 8] >> (at % 8) & 1); }

/// Calls `put(index, number, is_null)` for each element of an array of `Number`s, which has no place for a NULL.
template <typename Number, typename Put>
void each(const ArrayType* array, Put put) {
    const auto* next = reinterpret_cast<const Number*>(ARR_DATA_PTR(array));
    const bits8* nulls = ARR_NULLBITMAP(array);
    for (std::size_t at = 0, count = count_of(array); at < count; ++at) {
        const bool none = is_null(nulls, at);
        put(at, none ? 0 : *next, none);
        next += !none;
    }
}

template <typename Put>
void each_number(const ArrayType* array, Put put) {
    if (ARR_ELEMTYPE(array) == INT8OID)
        each<std::int64_t>(array, put);
    else if (ARR_ELEMTYPE(array) == INT4OID)
        each<std::int32_t>(array, put);
    else
        each<std::int16_t>(array, put);
}

/// Arrays that are read as they are: of numbers, and of texts, which a cast would copy to write the name of another type into them.
bool is_plain_array(Oid type) {
    return type == INT8ARRAYOID || type == INT4ARRAYOID || type == INT2ARRAYOID || type == TEXTARRAYOID ||
           type == VARCHARARRAYOID;
}

/// What is cast where `node` is a cast from such an array, else null.
Expr* plain_array_under(Node* node) {
    Expr* inner = nullptr;
    if (IsA(node, ArrayCoerceExpr)) inner = reinterpret_cast<ArrayCoerceExpr*>(node)->arg;
    if (IsA(node, FuncExpr)) {
        auto* call = reinterpret_cast<FuncExpr*>(node);
        if (call->funcformat != COERCE_EXPLICIT_CALL && list_length(call->args) == 1)
            inner = static_cast<Expr*>(linitial(call->args));
    }
    return inner && is_plain_array(exprType(reinterpret_cast<Node*>(inner))) ? inner : nullptr;
}

/// Writes a number as PostgreSQL keeps a text in an array; returns where the next one goes.
char* put_text(char* at, std::int64_t number) {
    char* end = std::to_chars(at + VARHDRSZ, at + VARHDRSZ + kMostDigits, number).ptr;
    SET_VARSIZE(at, end - at);
    char* next = at + INTALIGN(end - at);
    std::fill(end, next, '\0');
    return next;
}

/// The same array with texts of type `element`: of the same shape, with the same NULLs.
ArrayType* texts_like(const ArrayType* numbers, Oid element) {
    const std::size_t header = ARR_DATA_OFFSET(numbers), count = count_of(numbers);
    auto* texts = static_cast<ArrayType*>(allocate(header + count * INTALIGN(VARHDRSZ + kMostDigits)));
    std::memcpy(texts, numbers, Min(header, VARSIZE(numbers)));
    texts->elemtype = element;
    char* next = ARR_DATA_PTR(texts);
    each_number(numbers, [&](std::size_t, std::int64_t number, bool none) {
        if (!none) next = put_text(next, number);
    });
    const auto size = static_cast<Size>(next - reinterpret_cast<char*>(texts));
    if (!AllocSizeIsValid(size))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many ids in an array")));
    SET_VARSIZE(texts, size);
    return texts;
}

}  // namespace

bool holds_numbers(const ArrayType* array) {
    const Oid type = ARR_ELEMTYPE(array);
    return type == INT8OID || type == INT4OID || type == INT2OID;
}

std::span<const std::int64_t> numbers_of(const ArrayType* array) {
    if (ARR_ELEMTYPE(array) == INT8OID && !ARR_HASNULL(array))
        return {reinterpret_cast<const std::int64_t*>(ARR_DATA_PTR(array)), count_of(array)};
    auto* numbers = static_cast<std::int64_t*>(allocate(sizeof(std::int64_t) * count_of(array)));
    std::size_t size = 0;
    each_number(array, [&](std::size_t, std::int64_t number, bool none) {
        if (!none) numbers[size++] = number;
    });
    return {numbers, size};
}

std::span<std::string_view> number_texts(const ArrayType* array) {
    auto* texts = static_cast<std::string_view*>(allocate(sizeof(std::string_view) * count_of(array)));
    char* next = static_cast<char*>(allocate(kMostDigits * count_of(array)));
    each_number(array, [&](std::size_t at, std::int64_t number, bool none) {
        char* end = none ? next : std::to_chars(next, next + kMostDigits, number).ptr;
        texts[at] = none ? std::string_view() : std::string_view(next, static_cast<std::size_t>(end - next));
        next = end;
    });
    return {texts, count_of(array)};
}

Node* without_casts(const SupportRequestSimplify* request) {
    FuncExpr* call = nullptr;
    for (int i = 0; i < list_length(request->fcall->args); ++i) {
        auto* node = static_cast<Node*>(list_nth(request->fcall->args, i));
        Expr* plain = plain_array_under(node);
        if (!plain) continue;
        if (!call) {
            call = reinterpret_cast<FuncExpr*>(palloc(sizeof(FuncExpr)));
            *call = *request->fcall;
            call->args = list_copy(request->fcall->args);
        }
        lfirst(list_nth_cell(call->args, i)) =
            makeRelabelType(plain, exprType(node), -1, InvalidOid, COERCE_IMPLICIT_CAST);
    }
    return reinterpret_cast<Node*>(call);
}

}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_ids_of_numbers);
Datum seqrec_ids_of_numbers(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
    const Oid type = get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
    PG_RETURN_ARRAYTYPE_P(texts_like(array, type));
}
}
