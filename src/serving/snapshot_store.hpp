// Snapshot files in the data directory, built from the tables: opening, verifying and writing one. When that is done, and by whom, is
// snapshot_ready.hpp's to say.
// PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "core/files/snapshot.hpp"

#include "pg/boundary.hpp"

namespace seqrec {

/// Weights are stored in parts of this many bytes, the last one shorter.
/// 权重按此大小分段存储。
inline constexpr std::int64_t kWeightPart = 8 << 20;

/// Maps the file of a version that somebody has found whole since the server's start; null when there is none.
/// 映射自服务器启动以来已校验过的某版本文件；没有则为空。
const Snapshot* open_stamped(const char* version);

/// With the version's lock: maps its file, verified, or built when it is missing or damaged; where the folder can't be written, or
/// the version is gone for all others, a private copy.
/// 须持有该版本的锁：映射其文件（先校验，缺失或损坏则重建）；目录不可写或该版本对其他人已不存在时为私有副本。
const Snapshot* open_or_build(std::int64_t model_id, const char* version, bool* is_private);

/// With the version's lock: the same, of a version that is there for all, without mapping it.
/// 须持有该版本的锁：同上，仅限仍存在的版本，且不映射。
void verify_or_build(std::int64_t model_id, const char* version);

/// Writes the snapshot file of a version that this transaction has inserted, before others can ask for it.
/// 为本事务插入的版本写出快照文件。
void build_snapshot(std::int64_t model_id, const char* version);

/// Has the file of a version verified anew by whoever opens it next.
/// 使下一个打开该版本文件的进程重新校验。
void distrust_snapshot(const char* version);

}  // namespace seqrec
