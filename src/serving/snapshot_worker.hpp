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

/// Whether the file of a version has to be built, or is large and has to be read whole.
/// 某版本的文件是否需要构建，或文件较大且需完整校验。
bool takes_long_to_open(const char* version);

/// Has a worker make it ready, and waits for its end. Whatever comes of it, the caller looks for itself: no worker may be had, and
/// what this transaction has not committed no worker sees.
/// 由后台进程准备快照并等待其结束。无论结果如何调用者须自行检查：可能没有可用的后台进程，后台进程也看不到本事务未提交的内容。
void prepare_snapshot(std::int64_t model_id, const char* version);

/// The worker that this process began last for a name, of which version.
/// 本进程为某名称最近启动的后台进程及其版本。
struct SnapshotWorker {
    char version[kUuidLength + 1] = {};
    BackgroundWorkerHandle* handle = nullptr;
};

/// Forgets it; what it has begun goes on.
/// 不再记录该进程；其已开始的工作继续进行。
void free_worker(SnapshotWorker& worker);

/// Begins that, unless somebody does it already, and waits for no more than a moment; false when this came to nothing: no worker
/// could be had, or the one that this process began for the version, once, has ended.
/// 开始准备（若已有进程在做则不重复），至多稍候片刻；无法开始，或本进程为该版本启动的（唯一一个）后台进程已结束时返回 false。
bool is_being_prepared(SnapshotWorker& worker, std::int64_t model_id, const char* version);

}  // namespace seqrec
