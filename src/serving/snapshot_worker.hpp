// A background worker that makes a version's snapshot ready: a statement with a timeout would throw away what it has built or
// read, and so would the next one. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"
#include "pg/data_folder.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace seqrec {

/// Has a worker make it ready, and waits for its end. Whatever comes of it, the caller looks for itself: no worker may be had, and
/// what this transaction has not committed no worker sees.
/// 由后台进程准备快照并等待其结束。无论结果如何调用者须自行检查：可能没有可用的后台进程，后台进程也看不到本事务未提交的内容。
void run_snapshot_worker(std::int64_t model_id, const char* version);

/// The worker that this process began last for a name, of which version.
/// 本进程为某名称最近启动的后台进程及其版本。
struct SnapshotWorker {
    char version[kUuidLength + 1] = {};
    BackgroundWorkerHandle* handle = nullptr;
};

/// Forgets it; what it has begun goes on.
/// 不再记录该进程；其已开始的工作继续进行。
void free_worker(SnapshotWorker& worker);

/// Begins one in place of that, and waits for its end, but no more than a moment.
/// 启动新的后台进程取代之，并至多稍候片刻等待其结束。
void begin_snapshot_worker(SnapshotWorker& worker, std::int64_t model_id, const char* version);
/// Whether it was begun for this version and has not ended.
/// 是否为该版本启动且尚未结束。
bool works_on(const SnapshotWorker& worker, const char* version);

}  // namespace seqrec
