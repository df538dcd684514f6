#include "sql/context.hpp"

#include "pg/catalog.hpp"

extern "C" {
#include "lib/stringinfo.h"
}

namespace seqrec {
namespace {

[[noreturn]] void no_object() {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("context must be a JSON object"),
                    errhint("Give columns and their values, for example '{\"device\": \"phone\"}'.")));
}

[[noreturn]] void too_large() {
    ereport(ERROR,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("context is too large"),
             errhint("At most %d keys and %d bytes may be given.", kMostContextKeys, kMostContextBytes)));
}

Jsonb* checked(Jsonb* context) {
    if (!JB_ROOT_IS_OBJECT(context)) no_object();
    if (JB_ROOT_COUNT(context) > kMostContextKeys || VARSIZE(context) > kMostContextBytes) too_large();
    return context;
}

[[noreturn]] void counts_misfit(std::size_t users, std::size_t contexts) {
    ereport(ERROR,
            (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
             errmsg("there are %zu users but contexts of %zu", users, contexts),
             errhint("Give one object for all users, or an array with one object, or null, for each.")));
}

/// One element of an array: an object, or null.
Jsonb* element(JsonbValue* value) {
    if (value->type == jbvNull) return nullptr;
    if (value->type != jbvBinary) no_object();
    return checked(JsonbValueToJsonb(value));
}

}  // namespace

Jsonb* read_context(FunctionCallInfo fcinfo, int number) {
    return PG_ARGISNULL(number) ? nullptr : checked(PG_GETARG_JSONB_P(number));
}

void read_contexts(FunctionCallInfo fcinfo, int number, std::span<SqlAsker> askers) {
    if (PG_NARGS() <= number) report_old_extension();
    if (PG_ARGISNULL(number)) return;
    Jsonb* given = PG_GETARG_JSONB_P(number);
    if (!JB_ROOT_IS_ARRAY(given) || JB_ROOT_IS_SCALAR(given)) {
        checked(given);
        for (SqlAsker& asker : askers) asker.context = given;
        return;
    }
    if (JB_ROOT_COUNT(given) != askers.size()) counts_misfit(askers.size(), JB_ROOT_COUNT(given));
    JsonbIterator* iterator = JsonbIteratorInit(&given->root);
    JsonbValue value;
    (void)JsonbIteratorNext(&iterator, &value, true);  // into the array
    for (SqlAsker& asker : askers) {
        (void)JsonbIteratorNext(&iterator, &value, true);
        asker.context = element(&value);
    }
}

void read_context_array(FunctionCallInfo fcinfo, int number, std::span<SqlAsker> askers) {
    if (PG_NARGS() <= number) report_old_extension();
    if (PG_ARGISNULL(number)) return;
    Datum* values;
    bool* is_null;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), JSONBOID, -1, false, TYPALIGN_INT, &values, &is_null,
                      &count);
    if (static_cast<std::size_t>(count) != askers.size())
        counts_misfit(askers.size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
        if (!is_null[i]) askers[static_cast<std::size_t>(i)].context = checked(DatumGetJsonbP(values[i]));
}

std::optional<nlohmann::json> parse_context(Jsonb* context) {
    if (!context) return std::nullopt;
    const char* text = postgres([&] { return JsonbToCString(nullptr, &context->root, VARSIZE(context)); });
    auto parsed = nlohmann::json::parse(to_utf8(text), nullptr, false);
    if (!parsed.is_object())  // PostgreSQL has checked all but how large a number is
        throw Error(sqlstate::kInvalidParameter, "context has a number that is out of range",
                    "Numbers of a context are of double precision.");
    return parsed;
}

}  // namespace seqrec
