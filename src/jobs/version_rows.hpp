// The versions of a model as rows: whose they are, which is active, and how they go.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"

namespace seqrec {

// The following are called with the lock on the name (model_lock.hpp), inside SPI.

/// The role that a name belongs to: that of its active version, else of its latest; false when there is none.
/// A role that has been dropped may be 0.
bool find_owner(const char* name, Oid* owner, std::int64_t but_version = 0);
/// Makes a version the active one of its name; sessions switch when the transaction commits. Nothing of the
/// name is pinned then.
/// 启用某个版本；事务提交时所有会话切换，该名称不再有固定的版本。
void activate_version(std::int64_t model_id, const char* name);
/// Pins the active version of a name, so that trainings don't replace it; false when there is none.
/// 固定某名称的启用版本，使训练不会替换它；没有启用版本则返回 false。
bool pin_active_version(const char* name);
/// Deletes a version's rows now and its snapshot file at commit.
/// 删除版本的各行；提交时删除其快照文件。
void delete_version(std::int64_t model_id, const char* version);

/// Deletes the versions of a name beyond seqrec.keep_versions, oldest first, but neither the active one nor
/// the latest, which may wait for being activated by hand. Takes the lock itself.
/// 删除超出 seqrec.keep_versions 的旧版本，最旧的优先；启用的与最新的（可能待手动启用）不删除；自行加锁。
void delete_old_versions(const char* name);

}  // namespace seqrec
