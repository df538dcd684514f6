#include "serving/snapshot_worker.hpp"

#include <csignal>
#include <cstring>
#include <utility>

#include "pg/boundary.hpp"
#include "serving/snapshot_ready.hpp"

extern "C" {
#include "access/parallel.h"
#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
}

namespace seqrec {
namespace {

constexpr int kMoment = 100, kLook = 5;  // milliseconds

/// What the worker is told, in bgw_extra.
struct BuildOrder {
    Oid database;
    std::int64_t model_id;
    char version[kUuidLength + 1];
};
static_assert(sizeof(BuildOrder) <= BGW_EXTRALEN);

BackgroundWorkerHandle* launch(std::int64_t model_id, const char* version) {
    if (IsParallelWorker()) return nullptr;
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_ConsistentState;  // on a standby too
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_notify_pid = MyProcPid;
    strlcpy(worker.bgw_library_name, "seqrec", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "seqrec_snapshot_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_name, "seqrec snapshot", sizeof worker.bgw_name);
    strlcpy(worker.bgw_type, "seqrec snapshot", sizeof worker.bgw_type);
    BuildOrder order{MyDatabaseId, model_id, {}};
    strlcpy(order.version, version, sizeof order.version);
    memcpy(worker.bgw_extra, &order, sizeof order);
    BackgroundWorkerHandle* handle = nullptr;
    return RegisterDynamicBackgroundWorker(&worker, &handle) ? handle : nullptr;
}

bool has_ended(BackgroundWorkerHandle* handle) {
    pid_t process;
    const BgwHandleStatus status = GetBackgroundWorkerPid(handle, &process);
    return status != BGWH_STARTED && status != BGWH_NOT_YET_STARTED;
}

/// What is small is built before anybody notices: the version that is active answers then, as after any other activation.
void wait_a_moment(BackgroundWorkerHandle* handle) {
    for (int waited = 0; waited < kMoment && !has_ended(handle); waited += kLook) {
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kLook, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    }
}

/// Whatever the database's defaults are. Locks are not waited for: whoever waits for this worker may hold them.
void set_own_limits() {
    SetConfigOption("lock_timeout", "1s", PGC_USERSET, PGC_S_SESSION);
    SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_SESSION);
#if PG_VERSION_NUM >= 170000
    SetConfigOption("transaction_timeout", "0", PGC_USERSET, PGC_S_SESSION);
#endif
}

}  // namespace

void free_worker(SnapshotWorker& worker) {
    if (BackgroundWorkerHandle* handle = std::exchange(worker.handle, nullptr)) pfree(handle);
}

void run_snapshot_worker(std::int64_t model_id, const char* version) {
    if (BackgroundWorkerHandle* handle = launch(model_id, version))
        (void)WaitForBackgroundWorkerShutdown(handle);
}

/// Its handle is kept until another is begun for the same name, or the name's version is let go of.
void begin_snapshot_worker(SnapshotWorker& worker, std::int64_t model_id, const char* version) {
    free_worker(worker);
    const MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
    worker.handle = launch(model_id, version);
    strlcpy(worker.version, version, sizeof worker.version);
    MemoryContextSwitchTo(before);
    if (worker.handle) wait_a_moment(worker.handle);
}

bool works_on(const SnapshotWorker& worker, const char* version) {
    return worker.handle && strcmp(worker.version, version) == 0 && !has_ended(worker.handle);
}

}  // namespace seqrec

extern "C" {

PGDLLEXPORT void seqrec_snapshot_main(Datum argument);
void seqrec_snapshot_main(Datum) {
    using namespace seqrec;
    BuildOrder order;
    memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof order);
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    set_own_limits();  // connecting, too, takes locks
    BackgroundWorkerInitializeConnectionByOid(order.database, InvalidOid, 0);
    set_own_limits();  // the database may have others
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    pgstat_report_activity(STATE_RUNNING, psprintf("seqrec: snapshot of version %s", order.version));
    make_snapshot_ready(order.model_id, order.version);
    PopActiveSnapshot();
    CommitTransactionCommand();
    proc_exit(0);
}
}
