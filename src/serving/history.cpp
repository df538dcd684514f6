#include "serving/history.hpp"

#include <charconv>
#include <csignal>
#include <limits>

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "tables/id_text.hpp"
#include "tables/ratings_table.hpp"
#include "tables/source_rights.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
}

namespace seqrec {

/// The prepared query, and what it was prepared for: whatever of it changes, it is made anew.
struct History {
    SPIPlanPtr plan;
    MemoryContext memory;  // of the rest
    RatingsTable ratings;
    Reading reading;
    Oid* relations;  // all that the plan reads, locked before it is trusted
    int relation_count;
    std::uint64_t checked;     // the count of changes when its code was last looked at
    History* next;             // among those retired
    std::uint32_t retired_in;  // the local transaction
};

namespace {

constexpr int kLongestHistory = 1024;

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

/// The relations that a plan reads, without repetition.
void list_relations(History& history) {
    List* found = NIL;
    ListCell* cell;
    foreach (cell, SPI_plan_get_plan_sources(history.plan))
        found = list_concat_unique_oid(found, static_cast<CachedPlanSource*>(lfirst(cell))->relationOids);
    history.relation_count = list_length(found);
    history.relations =
        static_cast<Oid*>(palloc(sizeof(Oid) * static_cast<Size>(history.relation_count + 1)));
    int i = 0;
    foreach (cell, found) history.relations[i++] = lfirst_oid(cell);
}

/// Changes that this process has heard of to whatever decides whose code a plan runs: relations (a
/// partition's index, say, is evaluated by the planner without making the plan of its parent invalid),
/// functions, types, memberships.
std::uint64_t code_changes = 1;

void count_relation(Datum, Oid) { ++code_changes; }
void count_other(Datum, int, std::uint32_t) { ++code_changes; }

/// Everything that is kept lies in a memory context of its own, which goes when this fails.
void prepare(ServingModel& model) {
    const MemoryContext memory =
        AllocSetContextCreate(CurrentMemoryContext, "seqrec history", ALLOCSET_SMALL_SIZES);
    const MemoryContext before = MemoryContextSwitchTo(memory);
    auto* history = static_cast<History*>(palloc0(sizeof(History)));
    history->memory = memory;
    history->ratings = parse_ratings(model.source.c_str());
    history->reading = plan_reading(history->ratings, model.owner);
    const RoleScope scope = enter_reading(history->reading);
    SPI_connect();
    Oid types[] = {parameter_type(history->ratings.user.form), INT4OID};
    SPIPlanPtr plan = prepare_reading(history->reading, history_query(history->ratings), 2, types);
    SPI_keepplan(plan);
    history->checked = code_changes;
    history->plan = plan;
    MemoryContextSwitchTo(memory);
    list_relations(*history);
    SPI_finish();
    leave(scope);
    MemoryContextSwitchTo(before);
    MemoryContextSetParent(memory, TopMemoryContext);
    model.history = history;
}

/// Locks what the plan reads, so that it can't change between this look and the reading, and hears of all
/// changes until now. A lock on what is gone is harmless.
bool is_current(const History& history, Oid owner) {
    for (int i = 0; i < history.relation_count; ++i) LockRelationOid(history.relations[i], AccessShareLock);
    return history.reading.reader == owner && SPI_plan_is_valid(history.plan) &&
           SearchSysCacheExists1(RELOID, ObjectIdGetDatum(history.ratings.relation)) &&
           run_as(history.ratings, owner) == history.reading.run_as &&
           // only a view's functions look along the path
           (history.ratings.kind != RELKIND_VIEW ||
            strcmp(configured_path(history.reading.run_as), history.reading.search_path) == 0);
}

/// Those that were replaced while they may have been in use: a view over the ratings may itself recommend.
/// They go in a later transaction.
History* retired_histories = nullptr;

void retire(History*& history) {
    history->next = retired_histories;
    history->retired_in = local_transaction();
    retired_histories = history;
    history = nullptr;
}

void free_retired_histories() {
    while (retired_histories && retired_histories->retired_in != local_transaction()) {
        History* old = retired_histories;
        retired_histories = old->next;
        free_history(old);
    }
}

History& history_of(ServingModel& model) {
    free_retired_histories();
    if (model.history && !is_current(*model.history, model.owner)) retire(model.history);
    if (!model.history) {
        prepare(model);
        return *model.history;
    }
    check_reader(model.history->ratings, model.owner);
    const std::uint64_t now = code_changes;
    if (model.history->checked != now) check_code(model.history->plan, model.history->reading.run_as);
    model.history->checked = now;
    return *model.history;
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

// --- the right to read histories ---

Oid history_function = InvalidOid;

void forget_function(Datum, int, std::uint32_t) { history_function = InvalidOid; }

Oid find_history_function() {
    static bool watched = false;
    if (!watched) CacheRegisterSyscacheCallback(PROCOID, forget_function, (Datum)0);
    watched = true;
    if (OidIsValid(history_function)) return history_function;
    const Oid extension = get_extension_oid("seqrec", true);
    CatCList* named = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum("seqrec_history"));
    for (int i = 0; i < named->n_members; ++i) {
        const Oid function = ((Form_pg_proc)GETSTRUCT(&named->members[i]->tuple))->oid;
        if (getExtensionOfObject(ProcedureRelationId, function) == extension) history_function = function;
    }
    ReleaseCatCacheList(named);
    if (!OidIsValid(history_function)) report_old_extension();
    return history_function;
}

bool may_execute_history() {
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(ProcedureRelationId, find_history_function(), GetUserId(), ACL_EXECUTE) ==
           ACLCHECK_OK;
#else
    return pg_proc_aclcheck(find_history_function(), GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

// --- a time limit ---

volatile std::sig_atomic_t out_of_time = false;
bool limited = false;                // a limit runs
bool statement_was_limited = false;  // when it began

/// statement_timeout fires once, and then is not set any more: that cancel is not the limit's.
bool statement_timed_out() { return statement_was_limited && !get_timeout_active(STATEMENT_TIMEOUT); }

/// A signal's: the query is cancelled where it is, as by statement_timeout.
void stop_reading() {
    out_of_time = true;
    InterruptPending = true;
    QueryCancelPending = true;
}

TimeoutId reading_timer() {
    static const TimeoutId timer = RegisterTimeout(USER_TIMEOUT, stop_reading);
    return timer;
}

/// A cancel that comes too late to be met by the reading would hit what follows. One that a user sent in the same
/// moment goes with it.
void stop_timer(TimeoutId timer) {
    disable_timeout(timer, false);
    if (out_of_time && !statement_timed_out()) QueryCancelPending = false;
}

/// Errors that say nothing about the ratings: a cancel, a lack of memory, a lost race.
bool concerns_everybody(int code) {
    const int category = ERRCODE_TO_CATEGORY(code);
    return category == ERRCODE_TO_CATEGORY(ERRCODE_QUERY_CANCELED) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_OUT_OF_MEMORY) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_T_R_SERIALIZATION_FAILURE);
}

}  // namespace

void watch_code() {
    CacheRegisterRelcacheCallback(count_relation, (Datum)0);
    for (const int cache : {PROCOID, OPEROID, TYPEOID, CASTSOURCETARGET, AUTHOID, AUTHMEMROLEMEM})
        CacheRegisterSyscacheCallback(cache, count_other, (Datum)0);
}

void free_history(History*& history) {
    if (!history) return;
    SPI_freeplan(history->plan);
    MemoryContextDelete(history->memory);
    history = nullptr;
}

bool has_history_right(Oid owner) {
    return superuser() || has_privs_of_role(GetUserId(), owner) || may_execute_history();
}

void require_history_right(const ServingModel& model) {
    if (has_history_right(model.owner)) return;
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for the history of users"),
             errhint("Give the clicks (an empty array for none), or let the role read what users did: GRANT "
                     "EXECUTE ON "
                     "FUNCTION seqrec_history TO %s.",
                     quote_identifier(role_name(GetUserId())))));
}

IdArray read_history(ServingModel& model, std::string_view user, int limit) {
    const MemoryContext outside = CurrentMemoryContext;
    canonicalize(std::span(&user, 1), model.user_type);
    History& history = history_of(model);
    const RoleScope scope = enter_reading(history.reading);
    SPI_connect();
    Datum values[2] = {(Datum)0, Int32GetDatum(limit)};
    int count = 0;
    if (user_parameter(SPI_getargtypeid(history.plan, 0), user, &values[0])) {
        const int code = SPI_execute_plan(history.plan, values, nullptr, true, 0);
        if (code != SPI_OK_SELECT)
            elog(ERROR, "could not read a user's history: %s", SPI_result_code_string(code));
        count = static_cast<int>(SPI_processed);
    }
    const IdArray ids = copy_oldest_first(outside, count);
    SPI_finish();
    leave(scope);
    return ids;
}

/// How many rows are worth reading for a kind, however far back it looks.
static int reach_of(const ServingModel& model) {
    return Min(model.snapshot->encoder().reach(), kLongestHistory);
}

void read_missing_clicks(SqlAsker& asker, std::string_view name) {
    if (!asker.wants_history()) return;
    ServingModel& model = serving_model(name.data(), name.size());
    require_history_right(model);
    asker.clicks = read_history(model, asker.user, reach_of(model));
}

/// `has_limit`: a cancel by the timer ends here; one that is for a caller further up goes on.
static void try_one(SqlAsker& asker, std::string_view name, bool has_limit) {
    if (!asker.wants_history()) return;
    if (IsInParallelMode()) return read_missing_clicks(asker, name);  // where no subtransaction can begin
    const MemoryContext memory = CurrentMemoryContext;
    const ResourceOwner owner = CurrentResourceOwner;
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(memory);
    PG_TRY();
    {
        read_missing_clicks(asker, name);
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(memory);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();  // first: nobody else knows of the subtransaction
        MemoryContextSwitchTo(memory);
        CurrentResourceOwner = owner;
        const bool was_stopped = has_limit && out_of_time && !statement_timed_out();
        if (concerns_everybody(error->sqlerrcode) && !was_stopped) ReThrowError(error);
        asker.problem = error;
        asker.clicks = {};
    }
    PG_END_TRY();
    MemoryContextSwitchTo(memory);
    CurrentResourceOwner = owner;
}

/// That there is no such model is nobody's history; and to open one may take longer than any limit.
static void open_model(std::string_view name) { (void)serving_model(name.data(), name.size()); }

void try_missing_clicks(SqlAsker& asker, std::string_view name) {
    if (!asker.wants_history()) return;
    open_model(name);
    try_one(asker, name, false);
}

/// Below a view that is read with a limit, that limit holds; in parallel mode there is none.
std::size_t try_missing_clicks_within(std::span<SqlAsker> askers, std::string_view name, int milliseconds) {
    open_model(name);
    if (limited || IsInParallelMode()) {
        for (SqlAsker& asker : askers) try_one(asker, name, false);
        return askers.size();
    }
    const TimeoutId timer = reading_timer();
    std::size_t read = 0;
    out_of_time = false;
    statement_was_limited = get_timeout_active(STATEMENT_TIMEOUT);
    limited = true;
    enable_timeout_after(timer, Max(milliseconds, 1));
    PG_TRY();
    {
        // Whether the time was over in the middle of one or just after it, nobody can tell.
        for (; read < askers.size(); ++read) {
            try_one(askers[read], name, true);
            if (out_of_time) break;
        }
    }
    PG_FINALLY();
    {
        stop_timer(timer);
        out_of_time = limited = false;
    }
    PG_END_TRY();
    return read;
}

}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_history);
Datum seqrec_history(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const int k = read_k(fcinfo, 1);
    const std::string_view name = read_model(fcinfo, 2);
    InitMaterializedSRF(fcinfo, 0);
    if (PG_ARGISNULL(0)) return (Datum)0;
    const IdArray ids = read_history(serving_model(name.data(), name.size()), text_id(PG_GETARG_DATUM(0)), k);
    auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    for (int i = 0; i < ids.count; ++i) {
        const std::string_view id = ids.ids[ids.count - 1 - i];
        Datum values[2] = {Int32GetDatum(i + 1),
                           PointerGetDatum(cstring_to_text_with_len(id.data(), static_cast<int>(id.size())))};
        bool nulls[2] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
    return (Datum)0;
}
}
