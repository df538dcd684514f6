// Snapshot files in the data directory, built from the tables by whoever needs one first.
// PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "core/files/snapshot.hpp"

#include "pg/boundary.hpp"

namespace seqrec {

/// Weights are stored in parts of this many bytes, the last one shorter.
/// 权重按此大小分段存储。
inline constexpr std::int64_t kWeightPart = 8 << 20;

/// Maps the snapshot of a version. The first process that opens a file after the server's start, or after the
/// file changed, reads and verifies all of it; a file that is missing or damaged is built again. One process
/// does so while others wait: a background worker where that takes long, whom nobody's timeout stops. Where the folder can't be
/// written the snapshot is a private copy. The caller owns the result.
/// 映射某版本的快照。服务器启动后或文件改变后，首个打开它的进程会读取并校验全部内容；文件缺失或损坏则重建。
/// 由一个进程完成，其他进程等待；耗时较长时由后台进程完成，不受任何会话超时的影响。目录不可写时为私有副本。结果归调用者所有。
const Snapshot* open_snapshot(std::int64_t model_id, const char* version, bool* is_private = nullptr);

/// Whether snapshots can be kept where they belong, for all sessions.
/// 能否将快照写入其应在的目录供所有会话使用。
bool can_write_snapshots();

/// Builds or verifies the file of a version, unless somebody does, or the folder can't be written: what that worker does.
/// 构建或校验某版本的文件（已有进程在做或目录不可写时除外）：即该后台进程的工作。
void make_snapshot_ready(std::int64_t model_id, const char* version);

/// Writes the snapshot file of a version that this transaction has inserted, before others can ask for it.
/// 为本事务插入的版本写出快照文件。
void build_snapshot(std::int64_t model_id, const char* version);

/// Has the file of a version verified anew by whoever opens it next.
/// 使下一个打开该版本文件的进程重新校验。
void distrust_snapshot(const char* version);

}  // namespace seqrec
