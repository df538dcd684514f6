// A job's way: wait for its transaction, export, train, publish. No transaction is open while training.
#include "jobs/worker.hpp"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "jobs/dataset_export.hpp"
#include "jobs/job_folder.hpp"
#include "jobs/job_store.hpp"
#include "jobs/publish.hpp"
#include "jobs/trainer_process.hpp"
#include "jobs/version_rows.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/settings.hpp"
#include "serving/snapshot_files.hpp"
#include "serving/snapshot_ready.hpp"

extern "C" {
#include "access/xact.h"
#include "common/file_perm.h"
#include "lib/stringinfo.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace seqrec {
namespace {

/// What the worker is told, in bgw_extra.
struct Order {
    Oid database, role;
    TransactionId caller;
    JobKey job;
};
static_assert(sizeof(Order) <= BGW_EXTRALEN);

MemoryContext job_memory;
JobKey current_job;
const char* current_model = nullptr;
bool is_refresh = false;
bool has_begun = false;   // the order was not rolled back: what lies in the job's folder is this worker's
bool is_at_work = false;  // it has seen what is in its folder
bool is_trainer_silent = false;  // it goes on from a checkpoint, and its trainer has not said anything

void begin_transaction() {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
}

void end_transaction() {
    PopActiveSnapshot();
    CommitTransactionCommand();
    pgstat_report_stat(true);
    MemoryContextSwitchTo(job_memory);
}

/// Progress may be lost in a crash; nobody should wait for the disk for it.
void do_not_wait_for_disk() {
    (void)set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true,
                            0, false);
}

void report_activity(const char* doing) {
    pgstat_report_activity(STATE_RUNNING, psprintf("seqrec job " INT64_FORMAT ": %s", current_job.id, doing));
}

void report_rows(std::int64_t rows) {
    report_activity(psprintf("exporting, " INT64_FORMAT " rows read", rows));
}

void enter_state(const char* state) {
    begin_transaction();
    do_not_wait_for_disk();
    set_job_state(current_job, state);
    end_transaction();
    report_activity(state);
}

/// False when the calling transaction rolled back, and with it the order, or has cancelled the job itself.
bool wait_for_caller(const Order& order, Job* job) {
    report_activity("waiting for the transaction that asked for it");
    StartTransactionCommand();
    XactLockTableWait(order.caller, nullptr, nullptr, XLTW_None);
    CommitTransactionCommand();
    MemoryContextSwitchTo(job_memory);
    begin_transaction();
    MemoryContextSwitchTo(job_memory);
    const bool found = read_job(order.job, job);
    end_transaction();
    return found && strcmp(job->state, "queued") == 0;
}

/// A text as the event of the trainer that it would be.
const char* warning_line(const char* message) {
    return guarded([&] { return palloc_copy(json_text({{"message", to_utf8(message)}})); });
}

/// A version's snapshot, whole and where the trainer finds it: built when it is missing. Inside a
/// transaction.
const char* snapshot_for_trainer(std::int64_t model_id, const char* version) {
    const Snapshot* snapshot = open_snapshot(model_id, version);
    guarded([&] { delete snapshot; });
    return snapshot_path(version);
}

/// The snapshot of the version that a job starts from, the one that it refreshes or that its options ask for, built when it is
/// missing; null without one. Inside a transaction.
const char* find_start(const Job& job) {
    const char* version = job.refreshes ? job.refreshes : job.options.init_from;
    if (!version) return nullptr;
    const RoleScope scope = spi_enter();
    const auto rows =
        run_sql("SELECT model_id, owner FROM seqrec.models WHERE version::text = $1", {text_param(version)});
    const std::int64_t model_id = rows == 1 ? spi_bigint(0, 1) : 0;
    const Oid owner = rows == 1 ? spi_oid(0, 2) : InvalidOid;
    spi_leave(scope);
    if (rows != 1)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("the model version to start from, %s, has been dropped", version),
                        errhint(job.refreshes ? "Call seqrec_refresh_items again."
                                              : "Call seqrec_train again with another init_from.")));
    if (role_exists(owner) &&
        !has_privs_of_role(job.owner, owner))  // it may be somebody else's since the call
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("the model version to start from, %s, does not belong to role \"%s\" any more",
                               version, role_name(job.owner)),
                        errhint("Start from a model of your own, or ask its owner to train.")));
    return snapshot_for_trainer(model_id, version);
}

/// The snapshot whose items may have to stay, null where the options say none.
const char* start_to_keep(const Job& job) {
    if (job.refreshes || job.options.keep_items == KeepItems::No) return nullptr;
    begin_transaction();
    MemoryContextSwitchTo(job_memory);
    const char* start = find_start(job);
    end_transaction();
    return start;
}

/// Reads the tables in one short READ ONLY transaction, with the memory that maintenance may use for its sort.
/// What it measured is in the job's row at once.
void run_export(const Job& job, const char* folder) {
    enter_state("exporting");
    const char* start = start_to_keep(job);
    begin_transaction();
    XactReadOnly = true;
    (void)set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
    (void)set_config_option("work_mem", GetConfigOption("maintenance_work_mem", false, false), PGC_USERSET,
                            PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
    MemoryContextSwitchTo(job_memory);  // what it tells outlives the transaction
    const ExportCounts counts = export_dataset(job, folder, start, report_rows);
    end_transaction();
    if (job.refreshes && counts.items == 0)
        ereport(ERROR, (errcode(ERRCODE_NO_DATA), errmsg("the table of items has no row with an id"),
                        errhint("A refresh would leave the model without items. Fill the table, then call "
                                "seqrec_refresh_items again.")));
    if (!job.refreshes && counts.interactions == 0)
        ereport(ERROR,
                (errcode(ERRCODE_NO_DATA), errmsg("no row has a user, an item and a time"),
                 errdetail(INT64_FORMAT " rows with NULL, or with a time that is not finite, were skipped.",
                           counts.skipped),
                 errhint("A model is learnt from rows of user, item and time.")));
    begin_transaction();
    add_job_metrics(current_job, export_metrics(counts, job.refreshes));
    for (char** warning = counts.warnings; *warning; ++warning)
        add_job_warning(current_job, warning_line(*warning));
    end_transaction();
}

bool is_compared(const Job& job) { return strcmp(job.options.activate, "better") == 0; }

bool reads_text() { return settings::text_model && settings::text_model[0] != '\0'; }

/// The snapshot of the active version, for the trainer to rank the held-out rows with, and to take vectors of texts from that a
/// language model has read already; empty when there is none, or none is asked for. Which one it was is kept in the job's metrics: at the end another one may be
/// active. Inside a transaction.
const char* find_active(const Job& job) {
    if (!is_compared(job) && !reads_text()) return "";
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const bool found = run_sql("SELECT model_id, version FROM seqrec.models WHERE name = $1 AND active",
                               {text_param(job.model)}) == 1;
    const std::int64_t model_id = found ? spi_bigint(0, 1) : 0;
    const char* version = found ? MemoryContextStrdup(outside, spi_text(0, 2)) : nullptr;
    spi_leave(scope);
    if (!found) return "";
    if (is_compared(job)) add_job_metrics(job.key, psprintf("{\"compared_version\": \"%s\"}", version));
    return snapshot_for_trainer(model_id, version);
}

/// The folder of the language model, as the server has it: the trainer runs elsewhere.
std::string text_model() {
    const std::string folder = settings::text_model;
    return folder.empty() || folder.front() == '/' ? folder : std::string(DataDir) + "/" + folder;
}

/// The job as the trainer reads it. Inside a transaction: outside of one no encoding is converted.
const char* job_text(const Job& job, const char* folder, const char* active) {
    const char* init = find_start(job);
    const bool compares = is_compared(job);
    return guarded([&] {
        const std::string base(folder);
        const nlohmann::json value = {{"dataset", base + "/dataset.safetensors"},
                                      {"model", base + "/model.safetensors"},
                                      {"checkpoint", base + "/checkpoint"},
                                      {"init", init ? init : ""},
                                      {"compare", compares ? active : ""},
                                      {"texts", active},
                                      {"text_model", text_model()},
                                      {"kind", job.kind},
                                      {"options", nlohmann::json::parse(to_utf8(job.options.json))}};
        return palloc_copy(json_text(value));
    });
}

void write_job_file(const char* text, const char* path) {
    FILE* file = AllocateFile(path, "w");
    const bool written = file && fputs(text, file) >= 0 && FreeFile(file) == 0;
    if (!written)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not write file \"%s\": %m", path),
                        errhint("seqrec.directory must name a folder that the server may write.")));
}

/// The trainer writes UTF-8, or what it likes; a row must hold text of the database's encoding.
void make_ascii(char* text) {
    for (; *text != '\0'; ++text)
        if (static_cast<unsigned char>(*text) >= 0x80) *text = '?';
}

/// One line of the trainer, sorted by its event. Plain data: text is palloc'd.
struct TrainerEvent {
    enum Kind { Progress, Epoch, Warning, Done, Failure, Unknown } kind;
    char *sqlstate, *message, *hint;
};

TrainerEvent parse_event(const char* line) {
    return guarded([&]() -> TrainerEvent {
        const nlohmann::json value = nlohmann::json::parse(line, nullptr, false);
        if (!value.is_object()) return {TrainerEvent::Unknown, nullptr, nullptr, nullptr};
        const std::string event = value.value("event", "");
        const auto text = [&](const char* key) { return palloc_copy(value.value(key, "")); };
        if (event == "progress") return {TrainerEvent::Progress, nullptr, nullptr, nullptr};
        if (event == "epoch") return {TrainerEvent::Epoch, nullptr, nullptr, nullptr};
        if (event == "warning") return {TrainerEvent::Warning, nullptr, nullptr, nullptr};
        if (event == "done") return {TrainerEvent::Done, nullptr, nullptr, nullptr};
        if (event == "error") return {TrainerEvent::Failure, text("sqlstate"), text("message"), text("hint")};
        return {TrainerEvent::Unknown, nullptr, nullptr, nullptr};
    });
}

[[noreturn]] void report_failure(const TrainerEvent& event) {
    const char* code = strlen(event.sqlstate) == 5 ? event.sqlstate : "XX000";
    ereport(ERROR, (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
                    errmsg("%s", event.message), event.hint[0] ? errhint("%s", event.hint) : 0));
    pg_unreachable();
}

[[noreturn]] void report_no_event(const char* line) {
    char* said = pnstrdup(line, 200);
    make_ascii(said);
    ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
                    errmsg("the trainer sent something that is no event"), errdetail("It sent: %s", said),
                    errhint("Is seqrec.trainer the program that came with this extension?")));
    pg_unreachable();
}

/// Handles a line; true when it says that training is done.
bool handle_line(const char* sent) {
    char* line = pstrdup(sent);
    if (GetDatabaseEncoding() != PG_UTF8) make_ascii(line);
    const TrainerEvent event = parse_event(line);
    if (event.kind == TrainerEvent::Failure) report_failure(event);
    if (event.kind == TrainerEvent::Unknown) report_no_event(line);
    is_trainer_silent = false;
    if (event.kind == TrainerEvent::Done) return true;
    begin_transaction();
    do_not_wait_for_disk();
    if (event.kind == TrainerEvent::Progress) set_job_progress(current_job, line);
    if (event.kind == TrainerEvent::Epoch) log_job_epoch(current_job, line);
    if (event.kind == TrainerEvent::Warning) add_job_warning(current_job, line);
    end_transaction();
    return false;
}

/// As HOLD_INTERRUPTS() and RESUME_INTERRUPTS(), which count a volatile in a way that C++20 warns of.
void hold_interrupts() { InterruptHoldoffCount = InterruptHoldoffCount + 1; }
void resume_interrupts() { InterruptHoldoffCount = InterruptHoldoffCount - 1; }

/// Runs one part of the worker; what an ERROR says is returned, after its transaction has been aborted.
template <typename Body>
const ErrorData* attempt(Body body) {
    ErrorData* volatile error = nullptr;
    PG_TRY();
    { body(); }
    PG_CATCH();
    {
        MemoryContextSwitchTo(job_memory);
        error = CopyErrorData();
        hold_interrupts();  // a second cancel must not keep the first from being recorded
        EmitErrorReport();
        FlushErrorState();
        AbortOutOfAnyTransaction();
        MemoryContextSwitchTo(job_memory);
        kill_trainer();
        resume_interrupts();
        QueryCancelPending = false;
    }
    PG_END_TRY();
    return error;
}

/// Without an active version that can be read there is no comparison, but there is a training.
const char* try_find_active(const Job& job) {
    const char* path = "";
    const ErrorData* error = attempt([&] {
        begin_transaction();
        path = MemoryContextStrdup(job_memory, find_active(job));
        end_transaction();
    });
    if (error && error->sqlerrcode == ERRCODE_QUERY_CANCELED) ReThrowError(const_cast<ErrorData*>(error));
    return error ? "" : path;
}

/// Runs the trainer to its end. No transaction is open but for the moments when a line is stored.
void run_trainer(const Job& job, const char* folder) {
    enter_state("training");
    const char* job_path = psprintf("%s/job.json", folder);
    const char* log_path = psprintf("%s/trainer.log", folder);
    const char* active = job.refreshes ? "" : try_find_active(job);
    begin_transaction();
    const char* text = MemoryContextStrdup(job_memory, job_text(job, folder, active));
    end_transaction();
    write_job_file(text, job_path);
    is_trainer_silent = has_checkpoint_file(job.key);
    start_trainer(job.refreshes ? "refresh" : "train", job_path, log_path);
    const MemoryContext per_line =
        AllocSetContextCreate(job_memory, "seqrec trainer line", ALLOCSET_DEFAULT_SIZES);
    const char* line;
    bool done = false;
    while (next_trainer_line(&line)) {
        MemoryContextSwitchTo(per_line);
        done = handle_line(line) || done;
        MemoryContextSwitchTo(job_memory);
        MemoryContextReset(per_line);
    }
    finish_trainer(log_path);
    if (!done)
        ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("the trainer ended without a result"),
                        errhint("Is seqrec.trainer the program that came with this extension?")));
}

/// From here on the model is worth keeping whatever happens, so it must be there.
void expect_model(const Job& job, const char* folder) {
    begin_transaction();
    const bool is_there = has_model(folder, job);
    end_transaction();
    if (!is_there)
        ereport(ERROR,
                (errcode(ERRCODE_PROTOCOL_VIOLATION),
                 errmsg("the trainer says that it is done, but wrote no model of this job"),
                 errhint("Install the seqrec-trainer that belongs to this version of the extension.")));
}

/// With the metrics that are in the job's row by now.
void run_publish(const Job& job, const char* folder) {
    enter_state("publishing");
    begin_transaction();
    Job now = job;
    (void)read_job(job.key, &now);
    const Published published = publish_model(job, folder, now.export_metrics);
    if (published.told) add_job_warning(job.key, warning_line(published.told));
    set_job_done(job.key, published.model_id, published.metrics);
    end_transaction();
}

/// What an earlier run of the job has done is not done again.
void run_job(const Order& order) {
    StartTransactionCommand();
    (void)lock_job(order.job.uuid, true);
    CommitTransactionCommand();
    MemoryContextSwitchTo(job_memory);
    Job job{};
    if (!wait_for_caller(order, &job)) return;
    has_begun = true;
    current_model = job.model;
    is_refresh = job.refreshes != nullptr;
    begin_transaction();
    const char* folder = MemoryContextStrdup(job_memory, open_job_folder(job.key));
    const bool is_exported = has_dataset(folder, job);
    const bool is_trained = is_exported && has_model(folder, job);
    end_transaction();
    is_at_work = true;
    if (!is_exported) run_export(job, folder);
    if (!is_trained) {
        run_trainer(job, folder);
        expect_model(job, folder);
    }
    run_publish(job, folder);
}

/// How a job ended that is not done.
struct Failure {
    const ErrorData* error;
    bool is_cancelled, is_kept_out, is_trained;

    const char* state() const { return is_cancelled ? "cancelled" : is_kept_out ? "interrupted" : "failed"; }
};

/// Errors of the disk, which say nothing of the job.
bool is_of_disk(int sqlerrcode) { return sqlerrcode == ERRCODE_IO_ERROR || sqlerrcode == ERRCODE_DISK_FULL; }

/// What can be said of an error, the transaction that failed having been aborted. A job that was kept out of its folder, which is
/// another server's by now, or can't be written or read, or whose trainer does not begin, has changed nothing, and one that had no
/// room for a further checkpoint has those before: it can go on once that is mended.
Failure failure_of(const ErrorData* error) {
    const bool is_cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
    const bool is_stopped_by_disk =
        is_of_disk(error->sqlerrcode) && has_checkpoint_file(current_job) && !has_model_file(current_job);
    const bool is_kept_out =
        !is_cancelled && has_begun && (!is_at_work || is_trainer_silent || is_stopped_by_disk);
    return {error, is_cancelled, is_kept_out, !is_cancelled && !is_kept_out && has_model_file(current_job)};
}

/// Writes down why a job ended. A model that is trained is kept.
void record_failure(const Failure& failure) {
    ErrorData told = *failure.error;
    if (failure.is_cancelled) {
        told.message = pstrdup("the job was cancelled");
        told.detail = nullptr;
        told.hint = pstrdup(is_refresh ? "Start the refresh again with seqrec_refresh_items."
                                       : "Start the training again with seqrec_train.");
    } else if (failure.is_kept_out) {
        told.hint =
            psprintf("%s seqrec_resume(" INT64_FORMAT ") lets the job go on.",
                     told.hint ? psprintf("%s Then", told.hint) : "Once that is mended,", current_job.id);
    } else if (failure.is_trained) {
        told.hint = psprintf("%s%sThe trained model is kept: seqrec_resume(" INT64_FORMAT ") publishes it.",
                             told.hint ? told.hint : "", told.hint ? " " : "", current_job.id);
    }
    begin_transaction();
    set_job_failed(current_job, failure.state(), failure.is_trained ? "publishing" : nullptr, &told);
    end_transaction();
}

/// Removes what only the job needed, and files that no version needs any more.
void clean_up(bool keeps_folder) {
    if (!keeps_folder) remove_job_folder(current_job);
    begin_transaction();
    remove_dead_job_folders(current_job);
    sweep_snapshots();
    end_transaction();
}

void prune(const char* model) {
    begin_transaction();
    delete_old_versions(model);
    end_transaction();
}

/// The job comes first: what fails after it is in the server's log, and is done by the next job.
void run_job_and_record(const Order& order) {
    const ErrorData* error = attempt([&] { run_job(order); });
    const Failure failure = error ? failure_of(error) : Failure{};
    if (error) (void)attempt([&] { record_failure(failure); });
    if (!has_begun || failure.is_kept_out) return;
    if (!error) (void)attempt([&] { prune(current_model); });
    (void)attempt([&] { clean_up(failure.is_trained); });
}

/// What a role or a database has set for its sessions is not meant for a worker's bookkeeping.
void pin_settings() {
    constexpr const char* kPinned[][2] = {
        {"default_transaction_read_only", "off"},
        {"default_transaction_isolation", "read committed"},
        {"default_transaction_deferrable", "off"},
        {"statement_timeout", "0"},
        {"lock_timeout", "0"},
        {"idle_in_transaction_session_timeout", "0"},
#if PG_VERSION_NUM >= 170000
        {"transaction_timeout", "0"},
#endif
        {"exit_on_error", "off"},
        {"client_min_messages", "warning"}
    };
    for (const auto& [name, value] : kPinned) SetConfigOption(name, value, PGC_USERSET, PGC_S_SESSION);
}

}  // namespace

void launch_worker(const JobKey& job, Oid owner, const char* model) {
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    strlcpy(worker.bgw_library_name, "seqrec", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "seqrec_worker_main", sizeof worker.bgw_function_name);
    std::snprintf(worker.bgw_name, sizeof worker.bgw_name, "seqrec job %lld: %.60s",
                  static_cast<long long>(job.id), model);
    strlcpy(worker.bgw_type, "seqrec worker", sizeof worker.bgw_type);
    const Order order{MyDatabaseId, owner, GetTopTransactionId(), job};
    memcpy(worker.bgw_extra, &order, sizeof order);
    BackgroundWorkerHandle* handle;
    if (!RegisterDynamicBackgroundWorker(&worker, &handle))
        ereport(ERROR,
                (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("no background worker slot is free"),
                 errhint("You might need to increase max_worker_processes.")));
}

}  // namespace seqrec

extern "C" {

PGDLLEXPORT void seqrec_worker_main(Datum argument);
void seqrec_worker_main(Datum) {
    using namespace seqrec;
    Order order;
    memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof order);
    current_job = order.job;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
#if PG_VERSION_NUM >= 170000
    BackgroundWorkerInitializeConnectionByOid(order.database, order.role, BGWORKER_BYPASS_ROLELOGINCHECK);
#else
    BackgroundWorkerInitializeConnectionByOid(order.database, order.role, 0);
#endif
    pin_settings();
    job_memory = AllocSetContextCreate(TopMemoryContext, "seqrec job", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(job_memory);
    run_job_and_record(order);
    unlock_job(order.job.uuid);
    proc_exit(0);
}
}
