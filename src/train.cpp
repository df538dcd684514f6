// The SQL functions of training: seqrec_train, seqrec_cancel, seqrec_wait.
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

#include "core/options.hpp"

#include "boundary.hpp"
#include "catalog.hpp"
#include "job_folder.hpp"
#include "job_store.hpp"
#include "ratings_table.hpp"
#include "trainer_process.hpp"
#include "worker.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

namespace seqrec {
namespace {

constexpr long kPollMilliseconds = 50;

struct TrainCall {
    Oid ratings;
    const char *model, *kind;
    const char *user_column, *item_column, *time_column;
    const char* options;
};

void refuse_null(FunctionCallInfo fcinfo, int argument, const char* name) {
    if (PG_ARGISNULL(argument))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be NULL", name),
                        argument == 0 ? 0 : errhint("Leave it out for its default.")));
}

TrainCall read_train_call(FunctionCallInfo fcinfo) {
    static const char* const names[] = {"ratings",     "model",       "kind",
                                        "user_column", "item_column", "time_column"};
    for (int i = 0; i < 6; ++i) refuse_null(fcinfo, i, names[i]);
    refuse_null(fcinfo, 8, "options");
    return {PG_GETARG_OID(0),
            text_to_cstring(PG_GETARG_TEXT_PP(1)),
            text_to_cstring(PG_GETARG_TEXT_PP(2)),
            NameStr(*PG_GETARG_NAME(3)),
            NameStr(*PG_GETARG_NAME(4)),
            NameStr(*PG_GETARG_NAME(5)),
            JsonbToCString(nullptr, &PG_GETARG_JSONB_P(8)->root, 0)};
}

void refuse_side_tables(FunctionCallInfo fcinfo, const char* kind) {
    for (int argument : {6, 7})
        if (!PG_ARGISNULL(argument))
            ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                            errmsg("kind \"%s\" does not use a table of %s", kind,
                                   argument == 6 ? "items" : "users"),
                            errhint("Leave the argument out.")));
}

/// The options with defaults filled in; ERROR 22023 for what the kind does not know.
const char* check_options(const char* kind, const char* options) {
    return guarded(
        [&] { return from_utf8(resolve_options(kind, nlohmann::json::parse(to_utf8(options))).dump()); });
}

/// The name or version that the options ask to start from, or null.
const char* wanted_start(const char* options) {
    return guarded([&]() -> const char* {
        const auto init = nlohmann::json::parse(to_utf8(options)).at("init_from");
        return init.is_null() ? nullptr : from_utf8(init.get<std::string>());
    });
}

struct Earlier {
    char *version, *config, *kind, *owner;
};

/// The active version of a name, or a version by its uuid, that the current user may take the weights of.
Earlier find_earlier(const char* wanted, const char* kind) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const auto rows = run_sql(
        "SELECT version::text, config::text, kind, owner::text FROM seqrec.models "
        "WHERE (name = $1 AND active) OR version::text = $1 ORDER BY version::text = $1 LIMIT 1",
        {text_param(wanted)});
    const auto keep = [&](int number) {
        return rows == 1 ? MemoryContextStrdup(outside, spi_text(0, number)) : nullptr;
    };
    const Earlier earlier{keep(1), keep(2), keep(3), keep(4)};
    spi_leave(scope);
    if (rows != 1)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no model \"%s\" to start from", wanted),
                 errhint("init_from names a model or a version of the view seqrec_models.")));
    require_role(earlier.owner, psprintf("model \"%s\"", wanted));
    if (strcmp(earlier.kind, kind) != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("model \"%s\" is of kind \"%s\", not \"%s\"", wanted, earlier.kind, kind),
                        errhint("A training can start only from a model of its own kind.")));
    return earlier;
}

/// The options of a training that starts from an earlier model: its shape, and its version instead of a name
/// that may mean another one tomorrow.
const char* start_from(const Earlier& earlier, const char* kind, const char* options) {
    return guarded([&] {
        auto given = adopt_shape(nlohmann::json::parse(to_utf8(options)),
                                 nlohmann::json::parse(to_utf8(earlier.config)));
        given["init_from"] = earlier.version;
        return from_utf8(resolve_options(kind, given).dump());
    });
}

void check_model_name(const char* model) {
    if (model[0] == '\0' || strlen(model) > 200)
        ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid model name \"%s\"", model),
                        errhint("Use a name of 1 to 200 bytes.")));
    const RoleScope scope = spi_enter();
    const auto rows =
        run_sql("SELECT DISTINCT owner FROM seqrec.models WHERE name = $1", {text_param(model)});
    const char* owner = rows == 0 ? nullptr : MemoryContextStrdup(TopTransactionContext, spi_text(0, 1));
    spi_leave(scope);
    if (owner) require_role(owner, psprintf("model \"%s\"", model));
}

/// What is known at once is refused at once; a view or foreign table is not executed for it.
void refuse_empty(const RatingsTable& ratings) {
    if (ratings.kind == RELKIND_VIEW || ratings.kind == RELKIND_FOREIGN_TABLE) return;
    SPI_connect();
    const char* sql = psprintf("SELECT 1 FROM %s LIMIT 1", ratings.qualified);
    if (SPI_execute(sql, true, 1) != SPI_OK_SELECT) elog(ERROR, "could not look into %s", ratings.qualified);
    const bool empty = SPI_processed == 0;
    SPI_finish();
    if (empty)
        ereport(ERROR, (errcode(ERRCODE_NO_DATA), errmsg("there are no rows in %s", ratings.qualified),
                        errhint("A model is learnt from rows of user, item and time.")));
}

#if PG_VERSION_NUM < 170000
bool can_login(Oid role) {
    HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
    if (!HeapTupleIsValid(tuple)) return false;
    const bool can = ((Form_pg_authid)GETSTRUCT(tuple))->rolcanlogin;
    ReleaseSysCache(tuple);
    return can;
}
#endif

/// A worker logs in as the calling role.
void check_login() {
#if PG_VERSION_NUM < 170000
    const Oid role = GetUserId();
    if (!can_login(role))
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
             errmsg("role \"%s\" is not permitted to log in", role_name(role)),
             errhint("The training's background worker runs as this role. Call seqrec_train as a role with "
                     "LOGIN, or ALTER ROLE ... LOGIN.")));
#endif
}

struct JobRow {
    char *state, *error, *sqlstate, *detail, *hint;
    bool own;  // inserted by this very transaction
};

/// Whether a row version was written by this transaction or a subtransaction of it.
bool is_own(const char* xmin) {
    return TransactionIdIsCurrentTransactionId(static_cast<TransactionId>(strtoul(xmin, nullptr, 10)));
}

/// The state of a job as it is now; ERROR 42704 when there is none that the caller may see.
JobRow read_job_row(std::int64_t id) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const auto rows = run_sql(
        "SELECT seqrec.current_state(j), j.error, j.sqlstate, j.detail, j.hint, j.owner, "
        "       j.xmin FROM seqrec.jobs j WHERE job_id = $1",
        {bigint_param(id)});
    const auto keep = [&](int number) {
        const char* text = spi_text(0, number);
        return text ? MemoryContextStrdup(outside, text) : nullptr;
    };
    JobRow row{};
    const char* owner = nullptr;
    if (rows == 1) {
        row = {keep(1), keep(2), keep(3), keep(4), keep(5), is_own(spi_text(0, 7))};
        owner = keep(6);
    }
    spi_leave(scope);
    if (!owner)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("job " INT64_FORMAT " does not exist", id),
                        errhint("The view seqrec_jobs shows what there is.")));
    require_role(owner, psprintf("job " INT64_FORMAT, id));
    return row;
}

bool is_over(const JobRow& row) {
    for (const char* state : {"queued", "exporting", "training", "publishing"})
        if (strcmp(row.state, state) == 0) return false;
    return true;
}

/// Raises the error that a job ended with.
void report_end(std::int64_t id, const JobRow& row) {
    if (strcmp(row.state, "done") == 0) return;
    const char* code = row.sqlstate && strlen(row.sqlstate) == 5 ? row.sqlstate : "55000";
    ereport(ERROR,
            (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
             errmsg("%s", row.error ? row.error : psprintf("job " INT64_FORMAT " was %s", id, row.state)),
             row.detail ? errdetail("%s", row.detail) : 0, row.hint ? errhint("%s", row.hint) : 0,
             errcontext("job " INT64_FORMAT " of seqrec_train", id)));
}

/// Lets the transaction go between two looks, so that a long wait holds nothing back.
void rest(bool atomic) {
    if (!atomic) {
        SPI_connect_ext(SPI_OPT_NONATOMIC);
        SPI_commit();
        SPI_finish();
    }
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kPollMilliseconds,
                    PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

JobRow read_job_row_afresh(std::int64_t id) {
    PushActiveSnapshot(GetLatestSnapshot());
    const JobRow row = read_job_row(id);
    PopActiveSnapshot();
    return row;
}

void wait_for_job(std::int64_t id, TimestampTz until, bool atomic) {
    for (;;) {
        const JobRow row = read_job_row_afresh(id);
        if (row.own)
            ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                            errmsg("job " INT64_FORMAT " has not started: its transaction is still open", id),
                            errhint("COMMIT first, then CALL seqrec_wait.")));
        if (is_over(row)) return report_end(id, row);
        if (GetCurrentTimestamp() >= until)
            ereport(
                ERROR,
                (errcode(ERRCODE_QUERY_CANCELED), errmsg("job " INT64_FORMAT " is still %s", id, row.state),
                 errhint("It goes on. Wait longer, or stop it with seqrec_cancel(" INT64_FORMAT ").", id)));
        rest(atomic);
    }
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_train);
Datum seqrec_train(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION), errmsg("cannot train during recovery"),
                        errhint("Train on the primary; the model arrives here by replication.")));
    PreventCommandIfReadOnly("seqrec_train()");
    const TrainCall call = read_train_call(fcinfo);
    const char* options = check_options(call.kind, call.options);
    if (const char* wanted = wanted_start(options))
        options = start_from(find_earlier(wanted, call.kind), call.kind, call.options);
    refuse_side_tables(fcinfo, call.kind);
    const RatingsTable ratings =
        open_ratings(call.ratings, call.user_column, call.item_column, call.time_column);
    check_model_name(call.model);
    check_login();
    refuse_empty(ratings);
    (void)trainer_path();
    const std::int64_t job = insert_job(call.model, call.kind, ratings_to_json(ratings), options);
    launch_worker(job, call.model);
    PG_RETURN_INT64(job);
}

PG_FUNCTION_INFO_V1(seqrec_cancel);
Datum seqrec_cancel(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::int64_t id = PG_GETARG_INT64(0);
    const JobRow row = read_job_row(id);
    const int process = is_over(row) ? 0 : job_process(id);
    if (process == 0) {
        const bool given_up = give_up_interrupted_job(id);
        if (given_up) remove_job_folder(id);
        PG_RETURN_BOOL(given_up);
    }
    // SIGINT is what pg_cancel_backend sends; SIGKILL is for the trainer alone, never for a server process.
    PG_RETURN_BOOL(kill(process, SIGINT) == 0);
}

PG_FUNCTION_INFO_V1(seqrec_resume);
Datum seqrec_resume(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    PreventCommandIfReadOnly("seqrec_resume()");
    const std::int64_t id = PG_GETARG_INT64(0);
    const JobRow row = read_job_row(id);
    if (strcmp(row.state, "interrupted") != 0)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("job " INT64_FORMAT " is not interrupted but %s", id, row.state),
                        errhint("Only an interrupted job can go on.")));
    check_login();
    (void)trainer_path();
    launch_worker(id, queue_again(id));
    PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(seqrec_wait);
Datum seqrec_wait(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    refuse_null(fcinfo, 0, "job");
    TimestampTz until = DT_NOEND;
    if (!PG_ARGISNULL(1))
        until = DatumGetTimestampTz(DirectFunctionCall2(
            timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()), PG_GETARG_DATUM(1)));
    const bool atomic = !fcinfo->context || !IsA(fcinfo->context, CallContext) ||
                        castNode(CallContext, fcinfo->context)->atomic;
    wait_for_job(PG_GETARG_INT64(0), until, atomic);
    PG_RETURN_VOID();
}
}
