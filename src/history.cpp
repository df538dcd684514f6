#include "history.hpp"

#include <charconv>
#include <limits>

#include "boundary.hpp"
#include "catalog.hpp"
#include "ratings_table.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
}

namespace seqrec {
namespace {

Oid parameter_type(ColumnForm form) {
    switch (form) {
        case ColumnForm::Int2:
        case ColumnForm::Int4:
        case ColumnForm::Int8:
            return INT8OID;  // compared across widths, so that no id is out of range
        case ColumnForm::Uuid:
            return UUIDOID;
        default:
            return TEXTOID;
    }
}

bool parse_bigint(std::string_view text, Datum* value) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    *value = Int64GetDatum(number);
    return error == std::errc() && end == text.data() + text.size();
}

/// A uuid in its canonical form, which is the form the model knows it by.
bool parse_uuid(std::string_view text, Datum* value) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit(static_cast<unsigned char>(text[i]))) return false;
    }
    *value = DirectFunctionCall1(uuid_in, CStringGetDatum(pnstrdup(text.data(), text.size())));
    return true;
}

/// The user's id as the plan's parameter; false when no row can have it.
bool user_parameter(Oid type, std::string_view user, Datum* value) {
    if (type == INT8OID) return parse_bigint(user, value);
    if (type == UUIDOID) return parse_uuid(user, value);
    *value = PointerGetDatum(cstring_to_text_with_len(user.data(), static_cast<int>(user.size())));
    return true;
}

void prepare(ServingModel& model) {
    const RatingsTable ratings = parse_ratings(model.source.c_str());
    Oid types[] = {parameter_type(ratings.user.form), INT4OID};
    SPIPlanPtr plan = SPI_prepare(history_query(ratings), 2, types);
    if (!plan)
        elog(ERROR, "could not prepare the query of a user's history: %s",
             SPI_result_code_string(SPI_result));
    SPI_keepplan(plan);
    model.history = plan;
    model.history_relation = ratings.relation;
}

/// A plan over a table that was dropped is of no use; one of the same name may have taken its place.
void forget_dropped_table(ServingModel& model) {
    if (!model.history || SearchSysCacheExists1(RELOID, ObjectIdGetDatum(model.history_relation))) return;
    SPI_freeplan(model.history);
    model.history = nullptr;
}

/// The last result's ids in reverse: the query gives the latest first.
IdArray copy_oldest_first(MemoryContext context, int count) {
    IdArray result{static_cast<std::string_view*>(
                       MemoryContextAlloc(context, sizeof(std::string_view) * static_cast<Size>(count + 1))),
                   count};
    for (int i = 0; i < count; ++i)
        result.ids[i] = MemoryContextStrdup(context, spi_text(static_cast<std::uint64_t>(count - 1 - i), 1));
    return result;
}

}  // namespace

IdArray read_history(ServingModel& model, std::string_view user) {
    const MemoryContext outside = CurrentMemoryContext;
    const Oid owner = get_role_oid(model.owner.c_str(), true);
    if (!OidIsValid(owner))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("the owner \"%s\" of model \"%s\" no longer exists", model.owner.c_str(),
                               model.name.c_str()),
                        errhint("Give the clicks, or train the model again as another role.")));
    const RoleScope scope = enter_role(owner);
    SPI_connect();
    forget_dropped_table(model);
    if (!model.history) prepare(model);
    Datum values[2] = {(Datum)0, Int32GetDatum(model.snapshot->encoder().max_len())};
    int count = 0;
    if (user_parameter(SPI_getargtypeid(model.history, 0), user, &values[0])) {
        const int code = SPI_execute_plan(model.history, values, nullptr, true, 0);
        if (code != SPI_OK_SELECT)
            elog(ERROR, "could not read a user's history: %s", SPI_result_code_string(code));
        count = static_cast<int>(SPI_processed);
    }
    const IdArray ids = copy_oldest_first(outside, count);
    SPI_finish();
    leave(scope);
    return ids;
}

void read_missing_clicks(SqlAsker& asker, std::string_view model) {
    if (asker.wants_history())
        asker.clicks = read_history(serving_model(model.data(), model.size()), asker.user);
}

}  // namespace seqrec
