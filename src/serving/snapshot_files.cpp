#include "serving/snapshot_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/data_folder.hpp"
#include "serving/snapshot_stamp.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/event_trigger.h"
#include "postmaster/bgworker.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

namespace seqrec {
namespace {

constexpr std::uint16_t kBuildLockClass = 1517;  // beside the job locks

LOCKTAG version_lock(const char* version) {
    const pg_uuid_t* uuid = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(version)));
    std::uint32_t words[2];
    memcpy(words, uuid->data, sizeof words);
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, words[0], words[1], kBuildLockClass);
    return tag;
}

bool is_version_file(const char* name) {
    return is_own_name(name) && strncmp(name, kJobPrefix, strlen(kJobPrefix)) != 0;
}

constexpr const char* kTemporary = ".tmp.";  // and the writer's process id

/// Whether the writer of a temporary file lives. The version's lock tells that of all but the workers of one
/// parallel query, whose locks don't exclude each other.
bool has_writer(const char* path, const char* temporary) {
    struct stat status;
    const int writer = atoi(temporary + strlen(kTemporary));
    return stat(path, &status) == 0 && status.st_mtime >= timestamptz_to_time_t(PgStartTime) && writer > 0 &&
           (kill(writer, 0) == 0 || errno != ESRCH);
}

/// A file that is no longer a whole snapshot's: a temporary one without its writer, or a stamp whose snapshot
/// is gone. A note why there is none goes with the version.
bool is_unfinished(const char* folder, const char* name) {
    const char* rest = name + kUuidLength + strlen(kSnapshotSuffix);
    if (*rest == '\0') return false;
    if (const char* temporary = strstr(rest, kTemporary))
        return !has_writer(psprintf("%s/%s", folder, name), temporary);
    if (strcmp(rest, kFailureSuffix) == 0) return false;
    if (strcmp(rest, kStampSuffix) != 0) return true;
    return access(psprintf("%s/%s", folder, pnstrdup(name, static_cast<Size>(rest - name))), F_OK) != 0;
}

/// One file of the folder, with the lock on its version unless somebody works on that.
void sweep_file(const char* folder, const char* name) {
    const char* version = pnstrdup(name, kUuidLength);
    if (!try_lock_version(version)) return;
    if (is_unfinished(folder, name) || !version_exists_now(version))
        remove_own(psprintf("%s/%s", folder, name));
    unlock_version(version);
}

// --- what goes when the transaction commits ---

struct Removal {
    std::string path;
    int level;  // of the subtransaction that wants it
};
std::vector<Removal> removals;
bool extension_may_go = false;  // a command of this transaction may drop the extension
std::string folder_to_remove;   // it did

bool extension_is_there() {
    const Oid schema = get_namespace_oid("seqrec", true);
    return OidIsValid(schema) && OidIsValid(get_relname_relid("models", schema));
}

void look_for_extension() {
    if (!extension_may_go || extension_is_there()) return;
    const char* path = database_folder_path();
    guarded([&] { folder_to_remove = path; });
}

void forget_removals() {
    removals.clear();
    folder_to_remove.clear();
    extension_may_go = false;
}

void on_transaction(XactEvent event, void*) {
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
            look_for_extension();
            break;
        case XACT_EVENT_PRE_PREPARE:
            look_for_extension();
            if (!removals.empty() || !folder_to_remove.empty()) sweep_after(GetTopTransactionId());
            break;
        case XACT_EVENT_COMMIT:
            for (const Removal& removal : removals) remove_own(removal.path.c_str());
            if (!folder_to_remove.empty()) remove_database_folder(folder_to_remove.c_str());
            forget_removals();
            break;
        case XACT_EVENT_ABORT:
        case XACT_EVENT_PREPARE:
            forget_removals();
            break;
        default:  // of parallel workers: they drop nothing
            break;
    }
}

void on_subtransaction(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
    const int level = GetCurrentTransactionNestLevel();
    if (event == SUBXACT_EVENT_ABORT_SUB)
        std::erase_if(removals, [&](const Removal& one) { return one.level >= level; });
    if (event == SUBXACT_EVENT_COMMIT_SUB)
        for (Removal& removal : removals) removal.level = Min(removal.level, level - 1);
}

void watch_transactions() {
    static bool watching = false;
    if (watching) return;
    RegisterXactCallback(on_transaction, nullptr);
    RegisterSubXactCallback(on_subtransaction, nullptr);
    watching = true;
}

}  // namespace

const char* snapshot_path(const char* version) {
    return psprintf("%s/%s%s", database_folder_path(), version, kSnapshotSuffix);
}

void lock_version(const char* version) {
    const LOCKTAG tag = version_lock(version);
    (void)LockAcquire(&tag, ExclusiveLock, false, false);
}

bool try_lock_version(const char* version) {
    const LOCKTAG tag = version_lock(version);
    return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void unlock_version(const char* version) {
    const LOCKTAG tag = version_lock(version);
    LockRelease(&tag, ExclusiveLock, false);
}

bool version_exists_now(const char* version) {
    const RoleScope scope = spi_enter();
    PushActiveSnapshot(snapshot_of_now());
    const auto rows =
        run_sql("SELECT 1 FROM seqrec.models WHERE version = $1::uuid", {text_param(version)}, true);
    PopActiveSnapshot();
    spi_leave(scope);
    return rows == 1;
}

void remove_unfinished(const char* version) {
    const char* folder = database_folder_path();
    DIR* directory = AllocateDir(folder);
    while (const struct dirent* entry = ReadDir(directory, folder))
        if (is_version_file(entry->d_name) && strncmp(entry->d_name, version, kUuidLength) == 0 &&
            is_unfinished(folder, entry->d_name))
            remove_own(psprintf("%s/%s", folder, entry->d_name));
    FreeDir(directory);
}

void remove_at_commit(const char* path, std::initializer_list<const char*> suffixes) {
    const char* owner = access(path, F_OK) == 0 ? owner_of_path(path) : nullptr;
    if (owner)
        ereport(WARNING,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("\"%s\" is not removed", path),
                 errdetail_log("%s", owner),
                 errhint("Its folder is not this server's alone; the server's log has whose it is.")));
    watch_transactions();
    const int level = GetCurrentTransactionNestLevel();
    guarded([&] {
        for (const char* suffix : suffixes) removals.push_back({std::string(path) + suffix, level});
    });
}

void remove_snapshot_at_commit(const char* version) {
    remove_at_commit(snapshot_path(version), {"", kStampSuffix, kFailureSuffix});
}

void sweep_snapshots() {
    const char* folder = database_folder();
    DIR* directory = AllocateDir(folder);
    while (const struct dirent* entry = ReadDir(directory, folder))
        if (is_version_file(entry->d_name)) sweep_file(folder, pstrdup(entry->d_name));
    FreeDir(directory);
    remove_folders_of_dropped_databases();
}

namespace {

/// What the sweeper is told, in bgw_extra.
struct SweepOrder {
    Oid database;
    TransactionId transaction;
};
static_assert(sizeof(SweepOrder) <= BGW_EXTRALEN);

constexpr std::uint16_t kSweeperLockClass = 1520;

bool is_only_sweeper() {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, kSweeperLockClass);
    return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void (*sweep_others)() = nullptr;

void sweep_what_is_left() {
    if (!extension_is_there()) return remove_database_folder(database_folder_path());
    sweep_snapshots();
    if (sweep_others) sweep_others();
}

}  // namespace

void sweep_also(void (*sweep)()) { sweep_others = sweep; }

void sweep_after(TransactionId transaction) {
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    strlcpy(worker.bgw_library_name, "seqrec", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "seqrec_sweeper_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_name, "seqrec sweeper", sizeof worker.bgw_name);
    strlcpy(worker.bgw_type, "seqrec sweeper", sizeof worker.bgw_type);
    const SweepOrder order{MyDatabaseId, transaction};
    memcpy(worker.bgw_extra, &order, sizeof order);
    BackgroundWorkerHandle* handle;
    // Without a free slot the files wait for the next training's end.
    (void)RegisterDynamicBackgroundWorker(&worker, &handle);
}

}  // namespace seqrec

extern "C" {

PGDLLEXPORT void seqrec_sweeper_main(Datum argument);
void seqrec_sweeper_main(Datum) {
    using namespace seqrec;
    SweepOrder order;
    memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof order);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(order.database, InvalidOid, 0);
    StartTransactionCommand();
    if (!is_only_sweeper()) proc_exit(0);  // one waits already: no more slots are taken for this
    XactLockTableWait(order.transaction, nullptr, nullptr, XLTW_None);
    CommitTransactionCommand();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    sweep_what_is_left();
    PopActiveSnapshot();
    CommitTransactionCommand();
    proc_exit(0);
}

PG_FUNCTION_INFO_V1(seqrec_watch_drop);
Datum seqrec_watch_drop(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("seqrec.watch_drop() is an event trigger's function")));
    watch_transactions();
    extension_may_go = true;
    PG_RETURN_NULL();
}
}
