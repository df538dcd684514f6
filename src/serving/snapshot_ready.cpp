#include "serving/snapshot_ready.hpp"

#include <optional>

#include "core/files/mapped_file.hpp"

#include "pg/boundary.hpp"
#include "pg/data_folder.hpp"
#include "serving/snapshot_failure.hpp"
#include "serving/snapshot_files.hpp"
#include "serving/snapshot_stamp.hpp"
#include "serving/snapshot_store.hpp"
#include "serving/snapshot_worker.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/timestamp.h"
}

namespace seqrec {
namespace {

constexpr std::int64_t kSoonRead = 64 << 20;  // bytes that are verified while a statement waits

/// Whether the file of a version has to be built, or is large and has to be read whole.
bool takes_long(const char* version) {
    const char* path = snapshot_path(version);
    return guarded([&] {
        const std::optional<FileState> state = FileState::of(path);
        return !state || (static_cast<std::int64_t>(state->size) > kSoonRead && !has_stamp(path, *state));
    });
}

/// Whether snapshots can be kept where they belong, for all sessions: else there is nothing that a worker could do for others.
bool can_be_kept() { return !foreign_folder() && !folder_problem(); }

/// Whether a worker is the one to do it.
bool is_for_a_worker(const char* version) { return takes_long(version) && can_be_kept(); }

/// Whether somebody builds or verifies a version now.
bool is_worked_on(const char* version) {
    if (!try_lock_version(version)) return true;
    unlock_version(version);
    return false;
}

/// Who only looks whether somebody works on a version has its lock for a moment; who works on it, for long.
bool lock_soon(const char* version) {
    constexpr int kTries = 50;
    constexpr long kPause = 2000;  // microseconds
    for (int i = 0; i < kTries; ++i) {
        if (try_lock_version(version)) return true;
        pg_usleep(kPause);
        CHECK_FOR_INTERRUPTS();
    }
    return false;
}

/// What of a version's data, or of the server, keeps its file from being built. Somebody who ends the worker, or has a lock that it
/// needs for a moment, does not.
bool is_lasting(int sqlerrcode) {
    return sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE && sqlerrcode != ERRCODE_QUERY_CANCELED &&
           sqlerrcode != ERRCODE_ADMIN_SHUTDOWN &&
           ERRCODE_TO_CATEGORY(sqlerrcode) != ERRCODE_TRANSACTION_ROLLBACK;
}

/// An attempt under the version's lock.
struct Attempt {
    std::int64_t model_id;
    const char* version;
    bool is_private;
    const Snapshot* result;
};

void open_it(void* state) {
    auto& attempt = *static_cast<Attempt*>(state);
    attempt.result = open_or_build(attempt.model_id, attempt.version, &attempt.is_private);
}

void verify_it(void* state) {
    const auto& attempt = *static_cast<const Attempt*>(state);
    verify_or_build(attempt.model_id, attempt.version);
}

/// By this process, since no worker has done it: there was none to be had, the version is this transaction's own, or the file is small.
Attempt open_here(std::int64_t model_id, const char* version) {
    Attempt attempt{model_id, version, false, nullptr};
    const bool may_know = may_know_failures(version);  // after an error nobody can be asked
    if (ErrorData* error = call_postgres(open_it, &attempt)) {
        if (may_know || !is_lasting(error->sqlerrcode)) ReThrowError(error);
        raise_untold(model_id, *error);
    }
    forget_failure(version);
    return attempt;
}

}  // namespace

const Snapshot* open_snapshot(std::int64_t model_id, const char* version, bool* is_private) {
    if (const Snapshot* snapshot = open_stamped(version)) return snapshot;
    if (is_for_a_worker(version)) {
        raise_recent_failure(model_id, version);
        if (!is_worked_on(version)) run_snapshot_worker(model_id, version);  // else its lock is waited for
    }
    lock_version(version);
    raise_recent_failure(model_id, version);
    const Attempt attempt = open_here(model_id, version);
    if (is_private) *is_private = attempt.is_private;
    unlock_version(version);
    return attempt.result;
}

bool is_being_made_ready(SnapshotWorker& worker, std::int64_t model_id, const char* version) {
    if (!is_for_a_worker(version)) return false;
    if (is_worked_on(version) || works_on(worker, version)) return true;
    if (failed_recently(version)) return false;
    begin_snapshot_worker(worker, model_id, version);
    return works_on(worker, version);
}

void make_snapshot_ready(std::int64_t model_id, const char* version) {
    if (!can_be_kept() || !lock_soon(version)) return;
    if (failed_recently(version)) return;  // in another worker, whose lock this one has waited for
    Attempt attempt{model_id, version, false, nullptr};
    const TimestampTz begin = GetCurrentTimestamp();
    if (ErrorData* error = call_postgres(verify_it, &attempt)) {
        const long took = TimestampDifferenceMilliseconds(begin, GetCurrentTimestamp());
        if (is_lasting(error->sqlerrcode)) note_failure(version, *error, took);
        ReThrowError(error);
    }
    forget_failure(version);
    unlock_version(version);
}

}  // namespace seqrec
