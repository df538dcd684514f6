#include "job_store.hpp"

#include "boundary.hpp"
#include "catalog.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace seqrec {
namespace {

// Job locks can't collide with a user's advisory locks, which use 1 and 2 here. seqrec.worker_pid() looks for
// the same number.
constexpr std::uint16_t kJobLockClass = 1516;

LOCKTAG job_lock(std::int64_t id) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<std::uint32_t>(id >> 32),
                         static_cast<std::uint32_t>(id), kJobLockClass);
    return tag;
}

char* copy_out(const char* text, MemoryContext context) {
    return text ? MemoryContextStrdup(context, text) : nullptr;
}

/// A job whose worker is gone, as after a crash of the server, must not block the next training.
void settle_interrupted_jobs(const char* model) {
    run_sql(
        "UPDATE seqrec.jobs j SET state = 'interrupted', finished_at = clock_timestamp(), "
        "       error = coalesce(error, 'the job''s worker is gone'), "
        "       hint = coalesce(hint, 'A later training of the model has begun.') "
        "WHERE model = $1 AND state IN ('queued', 'exporting', 'training', 'publishing') "
        "  AND seqrec.current_state(j) = 'interrupted'",
        {text_param(model)});
}

void refuse_second_training(const char* model) {
    const auto rows = run_sql(
        "SELECT job_id FROM seqrec.jobs WHERE model = $1 AND state IN ('queued', 'exporting', 'training', "
        "'publishing')",
        {text_param(model)});
    if (rows == 0) return;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                    errmsg("model \"%s\" is being trained by job " INT64_FORMAT, model, spi_bigint(0, 1)),
                    errhint("Wait for it with CALL seqrec_wait(" INT64_FORMAT
                            "), or stop it with seqrec_cancel(" INT64_FORMAT ").",
                            spi_bigint(0, 1), spi_bigint(0, 1))));
}

}  // namespace

std::int64_t insert_job(const char* model, const char* kind, const char* source, const char* options) {
    const char* owner = role_name(GetUserId());
    const RoleScope scope = spi_enter();
    settle_interrupted_jobs(model);
    refuse_second_training(model);
    const auto rows = run_sql(
        "INSERT INTO seqrec.jobs (model, kind, owner, source, options) "
        "VALUES ($1, $2, $3::name, $4::jsonb, $5::jsonb) "
        "ON CONFLICT (model) WHERE state IN ('queued', 'exporting', 'training', 'publishing') DO NOTHING "
        "RETURNING job_id",
        {text_param(model), text_param(kind), text_param(owner), text_param(source), text_param(options)});
    if (rows == 0)  // a concurrent call committed between the check and the insert
        ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                        errmsg("model \"%s\" is being trained by another job", model),
                        errhint("Look at the view seqrec_jobs.")));
    const std::int64_t id = spi_bigint(0, 1);
    spi_leave(scope);
    return id;
}

const char* queue_again(std::int64_t id) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    // Out of the way first, so that what is left of the model's running jobs is somebody else's.
    if (run_sql("UPDATE seqrec.jobs j SET state = 'interrupted' "
                "WHERE job_id = $1 AND seqrec.current_state(j) = 'interrupted' RETURNING model",
                {bigint_param(id)}) != 1)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("job " INT64_FORMAT " goes on already", id),
                        errhint("Look at the view seqrec_jobs.")));
    const char* model = MemoryContextStrdup(outside, spi_text(0, 1));
    settle_interrupted_jobs(model);
    refuse_second_training(model);
    run_sql(
        "UPDATE seqrec.jobs SET state = 'queued', phase = NULL, error = NULL, sqlstate = NULL, detail = "
        "NULL, "
        "       hint = NULL, finished_at = NULL, queued_at = clock_timestamp() WHERE job_id = $1",
        {bigint_param(id)});
    spi_leave(scope);
    return model;
}

bool give_up_interrupted_job(std::int64_t id) {
    const RoleScope scope = spi_enter();
    const auto rows = run_sql(
        "UPDATE seqrec.jobs j SET state = 'cancelled', finished_at = clock_timestamp(), eta = NULL, "
        "       error = 'the job was interrupted and given up', sqlstate = '57014', "
        "       hint = 'Start the training again with seqrec_train.' "
        "WHERE job_id = $1 AND seqrec.current_state(j) = 'interrupted'",
        {bigint_param(id)});
    spi_leave(scope);
    return rows == 1;
}

bool can_go_on(std::int64_t id) {
    return run_sql(
               "SELECT FROM seqrec.jobs j WHERE job_id = $1 AND seqrec.current_state(j) = 'interrupted' "
               "AND state <> 'interrupted'",
               {bigint_param(id)}) == 1;
}

bool read_job(std::int64_t id, Job* job) {
    const MemoryContext context = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const bool found = run_sql(
                           "SELECT model, kind, owner, source, options, state, metrics - 'validation' "
                           "FROM seqrec.jobs WHERE job_id = $1",
                           {bigint_param(id)}) == 1;
    if (found)
        *job = {id,
                copy_out(spi_text(0, 1), context),
                copy_out(spi_text(0, 2), context),
                copy_out(spi_text(0, 3), context),
                copy_out(spi_text(0, 4), context),
                copy_out(spi_text(0, 5), context),
                copy_out(spi_text(0, 6), context),
                copy_out(spi_text(0, 7), context)};
    spi_leave(scope);
    return found;
}

void set_job_state(std::int64_t id, const char* state) {
    const RoleScope scope = spi_enter();
    run_sql(
        "UPDATE seqrec.jobs SET state = $2, phase = $2, "
        "started_at = coalesce(started_at, clock_timestamp()) WHERE job_id = $1",
        {bigint_param(id), text_param(state)});
    spi_leave(scope);
}

void add_job_metrics(std::int64_t id, const char* metrics) {
    const RoleScope scope = spi_enter();
    run_sql("UPDATE seqrec.jobs SET metrics = metrics || $2::jsonb WHERE job_id = $1",
            {bigint_param(id), text_param(metrics)});
    spi_leave(scope);
}

void set_job_progress(std::int64_t id, const char* line) {
    const RoleScope scope = spi_enter();
    run_sql(
        "UPDATE seqrec.jobs SET phase = coalesce(l->>'phase', phase), "
        "percent = coalesce((l->>'percent')::real, percent), epoch = coalesce((l->>'epoch')::int, epoch), "
        "loss = coalesce((l->>'loss')::float8, loss), "
        "labels_per_s = coalesce((l->>'labels_per_s')::float8, labels_per_s), "
        "eta = clock_timestamp() + (l->>'eta_seconds')::float8 * interval '1 second' "
        "FROM (SELECT $2::jsonb) AS line(l) WHERE job_id = $1",
        {bigint_param(id), text_param(line)});
    spi_leave(scope);
}

void log_job_epoch(std::int64_t id, const char* line) {
    const RoleScope scope = spi_enter();
    run_sql(
        "INSERT INTO seqrec.job_log (job_id, epoch, step, loss, metrics) "
        "SELECT $1, (l->>'epoch')::int, (l->>'step')::bigint, (l->>'loss')::float8, coalesce(l->'metrics', "
        "'{}') "
        "FROM (SELECT $2::jsonb) AS line(l) "
        "ON CONFLICT (job_id, epoch) DO UPDATE SET at = excluded.at, step = excluded.step, "
        "loss = excluded.loss, metrics = excluded.metrics",
        {bigint_param(id), text_param(line)});
    run_sql(
        "UPDATE seqrec.jobs SET epoch = (l->>'epoch')::int, loss = (l->>'loss')::float8, "
        "metrics = metrics || jsonb_build_object('validation', coalesce(l->'metrics', '{}')) "
        "FROM (SELECT $2::jsonb) AS line(l) WHERE job_id = $1",
        {bigint_param(id), text_param(line)});
    spi_leave(scope);
}

void add_job_warning(std::int64_t id, const char* line) {
    const RoleScope scope = spi_enter();
    run_sql("UPDATE seqrec.jobs SET warnings = warnings || ($2::jsonb->>'message') WHERE job_id = $1",
            {bigint_param(id), text_param(line)});
    spi_leave(scope);
}

void set_job_done(std::int64_t id, std::int64_t model_id, const char* metrics) {
    const RoleScope scope = spi_enter();
    run_sql(
        "UPDATE seqrec.jobs SET state = 'done', phase = 'done', percent = 100, model_id = $2, "
        "metrics = $3::jsonb, eta = NULL, finished_at = clock_timestamp() WHERE job_id = $1",
        {bigint_param(id), bigint_param(model_id), text_param(metrics)});
    spi_leave(scope);
}

void set_job_failed(std::int64_t id, const char* state, const ErrorData* error) {
    const RoleScope scope = spi_enter();
    run_sql(
        "UPDATE seqrec.jobs SET state = $2, error = $3, sqlstate = $4, detail = $5, hint = $6, eta = NULL, "
        "finished_at = clock_timestamp() WHERE job_id = $1",
        {bigint_param(id), text_param(state), text_param(error->message),
         text_param(unpack_sql_state(error->sqlerrcode)), text_param(error->detail),
         text_param(error->hint)});
    spi_leave(scope);
}

bool lock_job(std::int64_t id, bool wait) {
    const LOCKTAG tag = job_lock(id);
    return LockAcquire(&tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void unlock_job(std::int64_t id) {
    const LOCKTAG tag = job_lock(id);
    LockRelease(&tag, ExclusiveLock, true);
}

int job_process(std::int64_t id) {
    // Not GetLockConflicts(): it leaves out processes that are in no transaction, as a training worker is.
    const RoleScope scope = spi_enter();
    const auto rows = run_sql("SELECT seqrec.worker_pid($1)", {bigint_param(id)});
    const char* pid = rows == 1 ? spi_text(0, 1) : nullptr;
    const int process = pid ? atoi(pid) : 0;
    spi_leave(scope);
    return process;
}

}  // namespace seqrec
