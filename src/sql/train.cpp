// The SQL functions of training: seqrec_train, seqrec_cancel, seqrec_resume, seqrec_wait.
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

#include "core/kinds/kind.hpp"
#include "core/options.hpp"

#include "jobs/dataset_export.hpp"
#include "jobs/job_folder.hpp"
#include "jobs/job_store.hpp"
#include "jobs/trainer_process.hpp"
#include "jobs/version_rows.hpp"
#include "jobs/worker.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/data_folder.hpp"
#include "sql/id_type.hpp"
#include "sql/worker_login.hpp"
#include "tables/ratings_table.hpp"
#include "tables/source_rights.hpp"

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace seqrec {
namespace {

constexpr long kPollMilliseconds = 50;

struct TrainCall {
    Oid ratings, items, users;  // InvalidOid for a table that is not given
    const char *model, *kind;
    const char *user_column, *item_column, *time_column;
    const char* options;
    bool skip_if_running;
};

void refuse_null(FunctionCallInfo fcinfo, int argument, const char* name) {
    if (PG_ARGISNULL(argument))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be NULL", name),
                        argument == 0 ? 0 : errhint("Leave it out for its default.")));
}

/// What to do while the model is being trained.
bool read_if_running(FunctionCallInfo fcinfo, int argument) {
    refuse_null(fcinfo, argument, "if_running");
    const char* wanted = text_to_cstring(PG_GETARG_TEXT_PP(argument));
    if (strcmp(wanted, "skip") == 0) return true;
    if (strcmp(wanted, "error") != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("if_running is \"%s\"", wanted),
                        errhint("It is 'error' or 'skip': what to do while the model is being trained.")));
    return false;
}

TrainCall read_train_call(FunctionCallInfo fcinfo) {
    if (PG_NARGS() < 10) report_old_extension();
    static const char* const names[] = {"ratings",     "model",       "kind",
                                        "user_column", "item_column", "time_column"};
    for (int i = 0; i < 6; ++i) refuse_null(fcinfo, i, names[i]);
    refuse_null(fcinfo, 8, "options");
    const auto side_table = [&](int argument) {
        return PG_ARGISNULL(argument) ? InvalidOid : PG_GETARG_OID(argument);
    };
    return {PG_GETARG_OID(0),
            side_table(6),
            side_table(7),
            text_to_cstring(PG_GETARG_TEXT_PP(1)),
            text_to_cstring(PG_GETARG_TEXT_PP(2)),
            NameStr(*PG_GETARG_NAME(3)),
            NameStr(*PG_GETARG_NAME(4)),
            NameStr(*PG_GETARG_NAME(5)),
            JsonbToCString(nullptr, &PG_GETARG_JSONB_P(8)->root, 0),
            read_if_running(fcinfo, 9)};
}

void refuse_side_table(const char* kind, const char* of) {
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("kind \"%s\" does not use a table of %s", kind, of), errhint("Leave the argument out.")));
}

void refuse_side_tables(const TrainCall& call) {
    const Needs needs = guarded([&] { return find_kind(call.kind).needs; });
    if (OidIsValid(call.items) && !needs.items && !needs.text) refuse_side_table(call.kind, "items");
    if (OidIsValid(call.users) && !needs.users) refuse_side_table(call.kind, "users");
}

/// A number that fits nowhere is valid JSON for PostgreSQL.
nlohmann::json parse_given(const char* options) try {
    return nlohmann::json::parse(to_utf8(options));
} catch (const nlohmann::json::out_of_range&) {
    throw Error(sqlstate::kInvalidParameter, "options hold a number that is out of range",
                "Numbers are those of double precision.");
}

struct Earlier {
    char *version, *config, *kind;
    Oid owner;
};

/// The active version of a name, or a version by its uuid, that the current user may take the weights of.
Earlier find_earlier(const char* wanted, const char* kind) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const auto rows = run_sql(
        R"sql(
SELECT version::text, config::text, kind, owner FROM seqrec.models
WHERE (name = $1 AND active) OR version::text = $1 ORDER BY version::text = $1 LIMIT 1
)sql",
        {text_param(wanted)});
    const auto keep = [&](int number) {
        return rows == 1 ? MemoryContextStrdup(outside, spi_text(0, number)) : nullptr;
    };
    const Earlier earlier{keep(1), keep(2), keep(3), rows == 1 ? spi_oid(0, 4) : InvalidOid};
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

/// What the earlier model had and this training is not told of goes with it: better said now than found out by who refused an item.
void tell_what_goes(const char* wanted, const nlohmann::json& config, const nlohmann::json& options) {
    const auto says = [](const nlohmann::json& of, const char* name) {
        const auto found = of.find(name);
        return found != of.end() && found->is_array() && !found->empty();
    };
    const std::string use = config.contains("context_use") ? config.value("context_use", "none") : "none";
    const bool exclusions = says(config, "exclude_events") && !says(options, "exclude_events");
    const bool columns = (use == "columns" || use == "all") && !says(options, "context");
    postgres([&] {
        if (exclusions)
            ereport(WARNING,
                    (errmsg("model \"%s\" never recommends what its exclude_events say; this training does "
                            "without",
                            wanted),
                     errhint("Give exclude_events and event_column again.")));
        if (columns)
            ereport(WARNING,
                    (errmsg("model \"%s\" knows columns of context; this training does without", wanted),
                     errhint("Give the option context again.")));
    });
}

/// The options of a training that starts from an earlier model: its shape, and its version instead of a name
/// that may mean another one tomorrow.
nlohmann::json start_from(const std::string& wanted, const char* kind, const nlohmann::json& given) {
    const char* name = from_utf8(wanted);
    const Earlier earlier = postgres([&] { return find_earlier(name, kind); });
    const auto config = nlohmann::json::parse(to_utf8(earlier.config));
    nlohmann::json adopted = adopt_shape(kind, given, config);
    adopted["init_from"] = earlier.version;
    nlohmann::json options = resolve_options(kind, adopted);
    tell_what_goes(name, config, options);
    return options;
}

/// The options of a call with all defaults filled in; ERROR 22023 for what the kind does not know.
TrainingOptions read_options(const char* kind, const char* text) {
    return guarded([&] {
        const nlohmann::json given = parse_given(text), options = resolve_options(to_utf8(kind), given);
        const nlohmann::json& start = options.at("init_from");
        return options_of(start.is_null() ? options : start_from(start.get<std::string>(), kind, given));
    });
}

void check_model_name(const char* model) {
    if (model[0] == '\0' || strlen(model) > 200)
        ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid model name \"%s\"", model),
                        errhint("Use a name of 1 to 200 bytes.")));
    if (model[0] == '{')  // the second parameter is the model, whatever stands there
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_NAME), errmsg("invalid model name \"%s\"", model),
             errhint(
                 "No name begins with {. Options are given by their name: options => '{\"epochs\": 3}'.")));
    const RoleScope scope = spi_enter();
    Oid owner;
    const bool is_taken = find_owner(model, &owner);
    spi_leave(scope);
    if (is_taken) require_role(owner, psprintf("model \"%s\"", model));
}

/// A view or foreign table is not executed to see whether it has rows. As the worker will read it, so that no
/// code of others runs with the caller's rights.
bool is_empty(RatingsTable& ratings, Oid reader) {
    if (ratings.kind == RELKIND_VIEW || ratings.kind == RELKIND_FOREIGN_TABLE) return false;
    const RoleScope scope = enter_reading(plan_reading(ratings, reader));
    SPI_connect();
    const char* sql = psprintf("SELECT 1 FROM %s LIMIT 1", ratings.qualified);
    if (SPI_execute(sql, true, 1) != SPI_OK_SELECT) elog(ERROR, "could not look into %s", ratings.qualified);
    const bool empty = SPI_processed == 0;
    SPI_finish();
    leave(scope);
    return empty;
}

/// The active version may be of another kind: who left the kind out should know before it is replaced.
void tell_other_kind(const TrainCall& call) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const bool found = run_sql("SELECT kind FROM seqrec.models WHERE name = $1 AND active AND kind <> $2",
                               {text_param(call.model), text_param(call.kind)}) == 1;
    const char* active = found ? MemoryContextStrdup(outside, spi_text(0, 1)) : nullptr;
    spi_leave(scope);
    if (active)
        ereport(
            WARNING,
            (errmsg(
                 "the active version of model \"%s\" is of kind \"%s\", and this training is of kind \"%s\"",
                 call.model, active, call.kind),
             errhint("Unless that is meant, cancel it and say kind => '%s'.", active)));
}

/// What is known at once is refused at once: rights, and an empty table.
void check_source(TrainingSource& source, Oid reader) {
    check_training(source, reader);
    if (is_empty(source.ratings, reader))
        ereport(ERROR, (errcode(ERRCODE_NO_DATA), errmsg("there are no rows in %s", source.ratings.qualified),
                        errhint("A model is learnt from rows of user, item and time.")));
}

/// The name may have become somebody else's since the job began; publishing asks again.
void check_name_for(const Job& job) {
    const RoleScope scope = spi_enter();
    Oid owner;
    const bool is_taken = find_owner(job.model, &owner);
    spi_leave(scope);
    if (is_taken && role_exists(owner) && !has_privs_of_role(job.owner, owner))
        ereport(
            ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("model \"%s\" belongs to role \"%s\" now, and the job to role \"%s\"", job.model,
                    role_name(owner), role_name(job.owner)),
             errhint("Give up the job with seqrec_cancel, or give both to one role with seqrec_set_owner.")));
}

struct JobRow {
    char *state, *error, *sqlstate, *detail, *hint;
    bool own;  // written by this very transaction
    Oid owner;
    JobKey key;
    char* stored_state;
    bool refreshes, is_seen;  // the latter: seqrec_jobs shows it to the caller
};

/// Whether a row version was written by this transaction or a subtransaction of it.
bool is_own(const char* xmin) {
    return TransactionIdIsCurrentTransactionId(static_cast<TransactionId>(strtoul(xmin, nullptr, 10)));
}

/// True when the row, as the snapshot has it, is not what the state was read from: it ended meanwhile.
bool is_outdated(const JobRow& row) {
    return strcmp(row.state, row.stored_state) != 0 && strcmp(row.state, "interrupted") != 0;
}

JobRow look_at_job(std::int64_t id) {
    const MemoryContext outside = CurrentMemoryContext;
    const Oid user = GetUserId();
    PushActiveSnapshot(GetLatestSnapshot());
    const RoleScope scope = spi_enter();
    const auto rows = run_sql(
        R"sql(
SELECT seqrec.current_state(j), CASE WHEN m.tells OR j.error IS NULL THEN j.error ELSE format('reading the table failed with SQLSTATE %s', j.sqlstate) END,
       j.sqlstate, CASE WHEN m.acts THEN j.detail END, CASE WHEN m.tells THEN j.hint END, j.xmin, j.owner, j.uuid, j.state, j.refreshes,
       m.acts OR has_function_privilege($2::oid, 'seqrec.sees_all_jobs()', 'EXECUTE') OR pg_has_role($2::oid, 'pg_monitor', 'USAGE')
FROM seqrec.jobs j,
     -- as seqrec_jobs has it: what a table's own code says may quote its rows
     LATERAL (SELECT a AS acts, a OR j.phase IS DISTINCT FROM 'exporting' AS tells
              FROM (SELECT EXISTS (SELECT FROM pg_roles r WHERE r.oid = $2::oid AND r.rolsuper)
                           OR EXISTS (SELECT FROM pg_roles r WHERE r.oid = j.owner AND pg_has_role($2::oid, r.oid, 'USAGE')) AS a) x) m
WHERE job_id = $1
)sql",
        {bigint_param(id), role_param(user)}, true);
    const auto keep = [&](int number) {
        const char* text = spi_text(0, number);
        return text ? MemoryContextStrdup(outside, text) : nullptr;
    };
    JobRow row{};
    if (rows == 1) {
        row = {keep(1),
               keep(2),
               keep(3),
               keep(4),
               keep(5),
               is_own(spi_text(0, 6)),
               spi_oid(0, 7),
               {id, {}},
               keep(9),
               spi_text(0, 10) != nullptr,
               strcmp(spi_text(0, 11), "t") == 0};
        row.key.uuid = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(spi_text(0, 8))));
    }
    spi_leave(scope);
    PopActiveSnapshot();
    // Whoever may not know of the job is told what would be said of none.
    if (rows != 1 || !row.is_seen)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("job " INT64_FORMAT " does not exist", id),
                        errhint("The view seqrec_jobs shows what there is.")));
    return row;
}

/// The state of a job as it is now, whatever the transaction's snapshot shows; ERROR 42704 when there is none
/// that the caller may see.
JobRow read_job_row(std::int64_t id) {
    const JobRow row = look_at_job(id);
    return is_outdated(row) ? look_at_job(id) : row;
}

/// Of one that the caller is going to change.
JobRow read_own_job_row(std::int64_t id) {
    const JobRow row = read_job_row(id);
    require_role(row.owner, psprintf("job " INT64_FORMAT, id));
    return row;
}

bool is_over(const JobRow& row) {
    for (const char* state : {"queued", "exporting", "training", "publishing"})
        if (strcmp(row.state, state) == 0) return false;
    return true;
}

/// What to do about a job's end; the row of an interrupted one says nothing yet.
const char* hint_of(std::int64_t id, const JobRow& row) {
    if (row.hint || strcmp(row.state, "interrupted") != 0) return row.hint;
    return psprintf("Let it go on with seqrec_resume(" INT64_FORMAT "), or start again with %s.", id,
                    row.refreshes ? "seqrec_refresh_items" : "seqrec_train");
}

/// Raises the error that a job ended with.
void report_end(std::int64_t id, const JobRow& row) {
    if (strcmp(row.state, "done") == 0) return;
    const char* code = row.sqlstate && strlen(row.sqlstate) == 5 ? row.sqlstate : "55000";
    const char* hint = hint_of(id, row);
    ereport(ERROR,
            (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
             errmsg("%s", row.error ? row.error : psprintf("job " INT64_FORMAT " was %s", id, row.state)),
             row.detail ? errdetail("%s", row.detail) : 0, hint ? errhint("%s", hint) : 0,
             errcontext("job " INT64_FORMAT " of %s", id,
                        row.refreshes ? "seqrec_refresh_items" : "seqrec_train")));
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

void wait_for_job(std::int64_t id, TimestampTz until, bool atomic) {
    for (;;) {
        const JobRow row = read_job_row(id);
        if (row.own && !is_over(row))
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
    const TrainingOptions options = read_options(call.kind, call.options);
    refuse_side_tables(call);
    TrainingSource source =
        open_training(open_ratings(call.ratings, call.user_column, call.item_column, call.time_column),
                      call.items, call.users, options);
    check_model_name(call.model);
    tell_other_kind(call);
    check_login(GetUserId());
    check_source(source, GetUserId());
    (void)trainer_path();
    (void)database_folder();
    for (const Column& ids : {source.ratings.user, source.ratings.item}) ensure_id_cast(ids.type);
    const JobKey job =
        insert_job(call.model, call.kind, training_to_json(source), options, call.skip_if_running);
    if (job.id == 0) PG_RETURN_NULL();
    launch_worker(job, GetUserId(), call.model);
    PG_RETURN_INT64(job.id);
}

PG_FUNCTION_INFO_V1(seqrec_cancel);
Datum seqrec_cancel(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::int64_t id = PG_GETARG_INT64(0);
    const JobRow row = read_own_job_row(id);
    // A worker that waits for this very transaction looks at the row when it ends.
    const int process = row.own || is_over(row) ? 0 : job_process(row.key);
    // SIGINT is what pg_cancel_backend sends; SIGKILL is for the trainer alone, never for a server process.
    if (process != 0 && kill(process, SIGINT) == 0) PG_RETURN_BOOL(true);
    const bool given_up = give_up_job(row.key);
    if (given_up) remove_job_folder_at_commit(row.key);
    PG_RETURN_BOOL(given_up);
}

PG_FUNCTION_INFO_V1(seqrec_resume);
Datum seqrec_resume(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    PreventCommandIfReadOnly("seqrec_resume()");
    const std::int64_t id = PG_GETARG_INT64(0);
    const JobRow row = read_own_job_row(id);
    if (strcmp(row.state, "interrupted") != 0 && !can_go_on(row.key))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("job " INT64_FORMAT " is not interrupted but %s", id, row.state),
                        errhint("Only an interrupted job, or one that could not be published, can go on.")));
    Job job;
    if (!read_job(row.key, &job)) elog(ERROR, "job " INT64_FORMAT " is gone", id);
    check_name_for(job);
    check_login(job.owner);
    (void)trainer_path();
    (void)database_folder();  // what the job goes on from may be another server's now
    queue_again(job);
    launch_worker(job.key, job.owner, job.model);
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
