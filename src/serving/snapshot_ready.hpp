// Whether a version's snapshot is ready to be mapped, and what makes it so: the one place that knows in which order its file, its
// stamp, its lock, the note of a failure and a worker are asked. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "core/files/snapshot.hpp"

#include "pg/boundary.hpp"
#include "serving/snapshot_worker.hpp"

namespace seqrec {

/// Maps the snapshot of a version. The first process that opens a file after the server's start, or after the
/// file changed, reads and verifies all of it; a file that is missing or damaged is built again. One process
/// does so while others wait: a background worker where that takes long, whom nobody's timeout stops. Where the folder can't be
/// written the snapshot is a private copy. The caller owns the result. What kept it from being built is told as
/// snapshot_failure.hpp says.
/// 映射某版本的快照。服务器启动后或文件改变后，首个打开它的进程会读取并校验全部内容；文件缺失或损坏则重建。
/// 由一个进程完成，其他进程等待；耗时较长时由后台进程完成，不受任何会话超时的影响。目录不可写时为私有副本。结果归调用者所有。
/// 无法构建的原因按 snapshot_failure.hpp 所述告知。
const Snapshot* open_snapshot(std::int64_t model_id, const char* version, bool* is_private = nullptr);

/// Whether opening would take a statement too long and somebody is at it: who has another version mapped may answer with that
/// meanwhile. Begins a worker where nobody is, and waits for no more than a moment; false when this comes to nothing: no worker
/// could be had, it has ended, or an attempt failed lately.
/// 打开是否耗时过长且正有进程在准备：已映射其他版本者此时可用后者应答。无人准备时启动后台进程，至多稍候片刻；
/// 无法启动、已结束或近期尝试失败时返回 false。
bool is_being_made_ready(SnapshotWorker& worker, std::int64_t model_id, const char* version);

/// Builds or verifies the file of a version, unless somebody does, or the folder can't be written: what that worker does.
/// 构建或校验某版本的文件（已有进程在做或目录不可写时除外）：即该后台进程的工作。
void make_snapshot_ready(std::int64_t model_id, const char* version);

}  // namespace seqrec
