#include "jobs/job_store.hpp"

#include <cstdlib>
#include <cstring>

#include "jobs/model_lock.hpp"
#include "jobs/thread_limit.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "commands/async.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace seqrec {
namespace {

// Job locks can't collide with a user's advisory locks, which use 1 and 2 here. seqrec.worker_pid() looks for
// the same number.
constexpr std::uint16_t kJobLockClass = 1516;

constexpr const char* kRunning = "('queued', 'exporting', 'training', 'publishing')";

std::uint32_t word_of(const pg_uuid_t& uuid, int first) {
    return static_cast<std::uint32_t>(uuid.data[first]) << 24 |
           static_cast<std::uint32_t>(uuid.data[first + 1]) << 16 |
           static_cast<std::uint32_t>(uuid.data[first + 2]) << 8 | uuid.data[first + 3];
}

LOCKTAG job_lock(const pg_uuid_t& uuid) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, word_of(uuid, 0), word_of(uuid, 4), kJobLockClass);
    return tag;
}

char* copy_out(const char* text, MemoryContext context) {
    return text ? MemoryContextStrdup(context, text) : nullptr;
}

pg_uuid_t parse_uuid(const char* text) {
    return *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
}

/// A job whose worker is gone, as after a crash of the server, must not block the next training.
void settle_interrupted_jobs(const char* model) {
    run_sql(psprintf(R"sql(
UPDATE seqrec.jobs j SET state = 'interrupted', finished_at = clock_timestamp(),
       error = coalesce(error, 'the job''s worker is gone')
WHERE model = $1 AND state IN %s AND seqrec.current_state(j) = 'interrupted'
)sql",
                     kRunning),
            {text_param(model)});
}

[[noreturn]] void report_being_trained(const char* model, std::int64_t job) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                    errmsg("model \"%s\" is being trained by job " INT64_FORMAT, model, job),
                    errhint("Wait for it with CALL seqrec_wait(" INT64_FORMAT
                            "), or stop it with seqrec_cancel(" INT64_FORMAT ").",
                            job, job)));
    pg_unreachable();
}

[[noreturn]] void report_transaction(const char* model) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                    errmsg("another transaction has just started a training of model \"%s\"", model),
                    errhint("It begins when that transaction commits.")));
    pg_unreachable();
}

/// The job that trains the model, or 0.
std::int64_t running_job(const char* model) {
    const auto rows =
        run_sql(psprintf("SELECT job_id FROM seqrec.jobs WHERE model = $1 AND state IN %s", kRunning),
                {text_param(model)});
    return rows == 0 ? 0 : spi_bigint(0, 1);
}

/// The row is this worker's to write: it is there, and nobody has cancelled the job.
void expect_running(const JobKey& key, std::uint64_t changed) {
    if (changed == 1) return;
    const auto rows = run_sql("SELECT state FROM seqrec.jobs WHERE job_id = $1 AND uuid = $2",
                              {bigint_param(key.id), uuid_param(key.uuid)});
    if (rows == 1)
        ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
                        errmsg("job " INT64_FORMAT " is %s", key.id, spi_text(0, 1))));
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the row of job " INT64_FORMAT " is gone", key.id),
                    errhint("The extension may have been dropped, or its tables restored, since it began.")));
}

/// One update of a running job's row as the extension's owner; $1 and $2 are the key.
void update_job(const JobKey& key, const char* set, Param third, Param fourth = int_param(0)) {
    const RoleScope scope = spi_enter();
    const char* sql =
        psprintf("UPDATE seqrec.jobs SET %s WHERE job_id = $1 AND uuid = $2 AND state IN %s", set, kRunning);
    const Param params[] = {bigint_param(key.id), uuid_param(key.uuid), third, fourth};
    expect_running(key, run_sql(sql, params, strstr(set, "$4") ? 4 : 3));
    spi_leave(scope);
}

/// Whoever listens learns that a job is over, and looks up what they may see of it.
void notify_end(const JobKey& key, const char* state) {
    Async_Notify("seqrec", psprintf("{\"job_id\": " INT64_FORMAT ", \"state\": \"%s\"}", key.id, state));
}

}  // namespace

JobKey insert_job(const char* model, const char* kind, const char* source, const TrainingOptions& options,
                  bool skip, const char* refreshes) {
    const Oid owner = GetUserId();
    const bool is_free = try_lock_training(model);
    if (!is_free && !skip) report_transaction(model);
    const RoleScope scope = spi_enter();
    if (is_free) settle_interrupted_jobs(model);
    const std::int64_t running = is_free ? running_job(model) : 0;
    if (running != 0 && !skip) report_being_trained(model, running);
    JobKey key{};
    if (is_free && running == 0) {
        const int threads = allowed_threads(options.threads);
        // A number may be taken by a row that came without the sequence: by replication, or from a dump.
        (void)run_sql(
            R"sql(
INSERT INTO seqrec.jobs (job_id, model, kind, owner, source, options, refreshes)
SELECT greatest(n, (SELECT max(nextval('seqrec.jobs_job_id_seq')) FROM generate_series(n, most))),
       $1, $2, $3, $4::jsonb, $5::jsonb || jsonb_build_object('threads', $7), $6::uuid
FROM (SELECT nextval('seqrec.jobs_job_id_seq') AS n) s,
     (SELECT coalesce(max(job_id), 0) AS most FROM seqrec.jobs) m
RETURNING job_id, uuid
)sql",
            {text_param(model), text_param(kind), role_param(owner), text_param(source),
             text_param(options.json), text_param(refreshes), int_param(threads)});
        key = {spi_bigint(0, 1), parse_uuid(spi_text(0, 2))};
    }
    spi_leave(scope);
    // Who skips has written nothing: nobody has to wait for the end of its transaction.
    if (is_free && key.id == 0) unlock_training(model);
    if (key.id == 0)
        ereport(NOTICE, (errmsg("model \"%s\" is being trained already: this training is skipped", model),
                         running ? errdetail("Job " INT64_FORMAT " trains it.", running) : 0));
    return key;
}

void queue_again(const Job& job) {
    if (!try_lock_training(job.model)) report_transaction(job.model);
    const RoleScope scope = spi_enter();
    // Out of the way first, so that what is left of the model's running jobs is somebody else's.
    run_sql(
        "UPDATE seqrec.jobs j SET state = 'interrupted' "
        "WHERE job_id = $1 AND uuid = $2 AND seqrec.current_state(j) = 'interrupted'",
        {bigint_param(job.key.id), uuid_param(job.key.uuid)});
    settle_interrupted_jobs(job.model);
    if (const std::int64_t running = running_job(job.model)) report_being_trained(job.model, running);
    const auto queued = run_sql(
        R"sql(
UPDATE seqrec.jobs SET state = 'queued', phase = NULL, error = NULL, sqlstate = NULL,
       detail = NULL, hint = NULL, finished_at = NULL, queued_at = clock_timestamp()
WHERE job_id = $1 AND uuid = $2 AND state IN ('interrupted', 'failed')
)sql",
        {bigint_param(job.key.id), uuid_param(job.key.uuid)});
    if (queued != 1)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_IN_USE), errmsg("job " INT64_FORMAT " goes on already", job.key.id),
                 errhint("Look at the view seqrec_jobs.")));
    spi_leave(scope);
}

bool give_up_job(const JobKey& key) {
    const RoleScope scope = spi_enter();
    // Not to wait for a transaction that may stay open: it resumes the job, or cancels it as well.
    if (run_sql("SELECT FROM seqrec.jobs WHERE job_id = $1 AND uuid = $2 FOR UPDATE SKIP LOCKED",
                {bigint_param(key.id), uuid_param(key.uuid)}) != 1)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                        errmsg("job " INT64_FORMAT " is being changed by another transaction", key.id),
                        errhint("Try again when that transaction has ended.")));
    const auto rows = run_sql(
        R"sql(
UPDATE seqrec.jobs j SET state = 'cancelled', finished_at = clock_timestamp(), eta = NULL,
       error = 'the job was cancelled', sqlstate = '57014', detail = NULL,
       hint = CASE WHEN refreshes IS NULL THEN 'Start the training again with seqrec_train.'
                   ELSE 'Start the refresh again with seqrec_refresh_items.' END
WHERE job_id = $1 AND uuid = $2 AND (state = 'queued' OR seqrec.current_state(j) = 'interrupted'
      OR (state = 'failed' AND phase = 'publishing'))
)sql",
        {bigint_param(key.id), uuid_param(key.uuid)});
    spi_leave(scope);
    return rows == 1;
}

namespace {

// A model that was trained but not published, and the jobs that no later training of their model has made
// obsolete.
constexpr const char* kUnpublished = "state = 'failed' AND phase = 'publishing'";
constexpr const char* kNotObsolete =
    "NOT EXISTS (SELECT FROM seqrec.jobs l WHERE l.model = j.model AND l.state = 'done' "
    "AND l.job_id > j.job_id AND l.finished_at > j.queued_at)";

}  // namespace

bool can_go_on(const JobKey& key) {
    const RoleScope scope = spi_enter();
    const bool can = run_sql(psprintf("SELECT FROM seqrec.jobs j WHERE uuid = $1 AND %s AND "
                                      "(seqrec.current_state(j) = 'interrupted' OR (%s))",
                                      kNotObsolete, kUnpublished),
                             {uuid_param(key.uuid)}) == 1;
    spi_leave(scope);
    return can;
}

bool needs_files(const char* uuid) {
    const RoleScope scope = spi_enter();
    const bool needs = run_sql(psprintf("SELECT FROM seqrec.jobs j WHERE uuid = $1::uuid AND %s AND "
                                        "(state IN %s OR state = 'interrupted' OR (%s))",
                                        kNotObsolete, kRunning, kUnpublished),
                               {text_param(uuid)}) == 1;
    spi_leave(scope);
    return needs;
}

namespace {

bool read_job_where(const char* condition, const Param* params, int count, Job* job) {
    const MemoryContext context = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const char* sql = psprintf(
        "SELECT job_id, uuid, owner, model, kind, source, options, state, metrics - 'validation', refreshes "
        "FROM seqrec.jobs WHERE %s",
        condition);
    const bool found = run_sql(sql, params, count) == 1;
    const char* options = nullptr;
    if (found) {
        const auto text = [&](int column) { return copy_out(spi_text(0, column), context); };
        options = text(7);
        *job = {{spi_bigint(0, 1), parse_uuid(spi_text(0, 2))},
                spi_oid(0, 3),
                text(4),
                text(5),
                text(6),
                {},
                text(8),
                text(9),
                text(10)};
    }
    spi_leave(scope);
    if (found) job->options = parse_options(options);
    return found;
}

}  // namespace

bool read_job(const JobKey& key, Job* job) {
    const Param params[] = {bigint_param(key.id), uuid_param(key.uuid)};
    return read_job_where("job_id = $1 AND uuid = $2", params, 2, job);
}

bool read_job(std::int64_t id, Job* job) {
    const Param params[] = {bigint_param(id)};
    return read_job_where("job_id = $1", params, 1, job);
}

void set_job_state(const JobKey& key, const char* state) {
    update_job(key, "state = $3, phase = $3, started_at = coalesce(started_at, clock_timestamp())",
               text_param(state));
}

void add_job_metrics(const JobKey& key, const char* metrics) {
    update_job(key, "metrics = metrics || $3::jsonb", text_param(metrics));
}

void set_job_progress(const JobKey& key, const char* line) {
    update_job(
        key,
        "phase = coalesce($3::jsonb->>'phase', phase), "
        "percent = coalesce(($3::jsonb->>'percent')::real, percent), "
        "epoch = coalesce(($3::jsonb->>'epoch')::int, epoch), "
        // An epoch says whose it is, and may be nobody's.
        "(member, members, stage) = (SELECT CASE WHEN l ? 'epoch' THEN (l->>'member')::int ELSE member END, "
        "CASE WHEN l ? 'epoch' THEN (l->>'members')::int ELSE members END, "
        "CASE WHEN l ? 'epoch' THEN l->>'stage' ELSE stage END FROM (SELECT $3::jsonb) AS line(l)), "
        "loss = coalesce(($3::jsonb->>'loss')::float8, loss), "
        "labels_per_s = coalesce(($3::jsonb->>'labels_per_s')::float8, labels_per_s), "
        "eta = clock_timestamp() + ($3::jsonb->>'eta_seconds')::float8 * interval '1 second'",
        text_param(line));
}

void log_job_epoch(const JobKey& key, const char* line) {
    update_job(key,
               "epoch = ($3::jsonb->>'epoch')::int, loss = ($3::jsonb->>'loss')::float8, "
               "member = ($3::jsonb->>'member')::int, members = ($3::jsonb->>'members')::int, "
               "stage = $3::jsonb->>'stage', "
               "metrics = metrics || jsonb_build_object('validation', coalesce($3::jsonb->'metrics', '{}'))",
               text_param(line));
    const RoleScope scope = spi_enter();
    run_sql(
        R"sql(
INSERT INTO seqrec.job_log (job_id, epoch, step, loss, metrics, member, members, stage)
SELECT $1, (l->>'epoch')::int, (l->>'step')::bigint, (l->>'loss')::float8,
       coalesce(l->'metrics', '{}') || -- and numbers of the kind's own
           (l - '{event,epoch,step,loss,metrics,seconds,member,members,stage}'::text[]),
       (l->>'member')::int, (l->>'members')::int, l->>'stage'
FROM (SELECT $2::jsonb) AS line(l)
ON CONFLICT (job_id, epoch) DO UPDATE SET at = excluded.at, step = excluded.step,
       loss = excluded.loss, metrics = excluded.metrics, member = excluded.member,
       members = excluded.members, stage = excluded.stage
)sql",
        {bigint_param(key.id), text_param(line)});
    spi_leave(scope);
}

void add_job_warning(const JobKey& key, const char* line) {
    update_job(key, "warnings = warnings || ($3::jsonb->>'message')", text_param(line));
}

void set_job_done(const JobKey& key, std::int64_t model_id, const char* metrics) {
    update_job(
        key,
        "state = 'done', phase = 'done', percent = 100, model_id = $3, metrics = $4::jsonb, eta = NULL, "
        "finished_at = clock_timestamp()",
        bigint_param(model_id), text_param(metrics));
    notify_end(key, "done");
}

void set_job_failed(const JobKey& key, const char* state, const char* phase, const ErrorData* error) {
    const RoleScope scope = spi_enter();
    const char* sql = psprintf(
        R"sql(
UPDATE seqrec.jobs SET state = $3, error = $4, sqlstate = $5, detail = $6, hint = $7,
       phase = coalesce($8, phase), eta = NULL, finished_at = clock_timestamp()
WHERE job_id = $1 AND uuid = $2 AND state IN %s
)sql",
        kRunning);
    const auto rows =
        run_sql(sql, {bigint_param(key.id), uuid_param(key.uuid), text_param(state),
                      text_param(error->message), text_param(unpack_sql_state(error->sqlerrcode)),
                      text_param(error->detail), text_param(error->hint), text_param(phase)});
    spi_leave(scope);
    if (rows == 1) notify_end(key, state);
}

bool lock_job(const pg_uuid_t& uuid, bool wait) {
    const LOCKTAG tag = job_lock(uuid);
    return LockAcquire(&tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void unlock_job(const pg_uuid_t& uuid) {
    const LOCKTAG tag = job_lock(uuid);
    LockRelease(&tag, ExclusiveLock, true);
}

int job_process(const JobKey& key) {
    // Not GetLockConflicts(): it leaves out processes that are in no transaction, as a training worker is.
    const RoleScope scope = spi_enter();
    const auto rows = run_sql("SELECT seqrec.worker_pid($1)", {uuid_param(key.uuid)});
    const char* pid = rows == 1 ? spi_text(0, 1) : nullptr;
    const int process = pid ? atoi(pid) : 0;
    spi_leave(scope);
    return process;
}

char* uuid_text(const pg_uuid_t& uuid) {
    return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&uuid)));
}

namespace {

bool is_running(const char* state) {
    for (const char* running : {"queued", "exporting", "training", "publishing"})
        if (strcmp(state, running) == 0) return true;
    return false;
}

/// The state in the row as it is now, by a look into the index with nobody's privileges: the view that asks
/// is for everybody. Null when the row is gone.
char* state_now(const pg_uuid_t* uuid) {
    char* state = nullptr;
    Relation jobs = table_open(catalog_table("jobs"), AccessShareLock);
    TupleDesc columns = RelationGetDescr(jobs);
    const int number = SPI_fnumber(columns, "uuid"), of_state = SPI_fnumber(columns, "state");
    if (number < 0) report_old_extension();
    SnapshotData* snapshot = RegisterSnapshot(snapshot_of_now());
    ScanKeyData key;
    ScanKeyInit(&key, static_cast<AttrNumber>(number), BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(uuid));
    const Oid index = get_relname_relid("jobs_uuid_key", RelationGetNamespace(jobs));
    SysScanDesc scan = systable_beginscan(jobs, index, OidIsValid(index), snapshot, 1, &key);
    if (HeapTuple row = systable_getnext(scan)) state = SPI_getvalue(row, columns, of_state);
    systable_endscan(scan);
    UnregisterSnapshot(snapshot);
    table_close(jobs, NoLock);
    return state;
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_state_without_worker);
Datum seqrec_state_without_worker(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const char* state = state_now(PG_GETARG_UUID_P(0));
    const bool over = state && !is_running(state);
    PG_RETURN_TEXT_P(cstring_to_text(over ? state : "interrupted"));
}
}
