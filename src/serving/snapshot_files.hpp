// Which snapshot files are there, and when they go: with the version's row, whoever deleted it.
// PostgreSQL code: may ereport.
#pragma once

#include <initializer_list>

#include "pg/boundary.hpp"

namespace seqrec {

const char* snapshot_path(const char* version);

/// The lock under which a version's file is written, until the transaction ends or unlock_version().
/// 写入某版本文件时所持的锁，直到事务结束或 unlock_version()。
void lock_version(const char* version);
bool try_lock_version(const char* version);
void unlock_version(const char* version);

/// Whether a version exists by now, whatever this transaction's snapshot sees.
/// 某版本此刻是否存在，与本事务的快照无关。
bool version_exists_now(const char* version);

/// Removes what dead builders of a version left. Call it with the version's lock.
/// 删除某版本已中断的构建所留下的文件；须持有该版本的锁。
void remove_unfinished(const char* version);

/// Removes a path with each of the suffixes, by remove_own(), once the current transaction commits; a savepoint
/// that is rolled back takes that back, and a prepared transaction leaves it to the sweeper. Warns where they
/// are another server's and stay.
/// 当前事务提交后删除路径加各后缀的文件；回滚到保存点则撤销；两阶段提交时由清理进程负责。属于其他服务器的文件予以保留并发出警告。
void remove_at_commit(const char* path, std::initializer_list<const char*> suffixes);
/// The same of the files of a version.
/// 同上，针对某版本的文件。
void remove_snapshot_at_commit(const char* version);

/// Removes files that nothing needs: of rolled back publishes, of versions that are gone by whatever way, of
/// dropped databases.
/// 删除不再需要的文件：已回滚的发布、以任何方式消失的版本、已删除的数据库。
void sweep_snapshots();

/// What else the sweeper does: files of rooms that this one doesn't know.
/// 清理进程还要做的事：处理本模块不了解的文件。
void sweep_also(void (*sweep)());
/// Waits for a transaction's end in a background worker, and sweeps then.
/// 在后台进程中等待某事务结束，然后清理。
void sweep_after(TransactionId transaction);

}  // namespace seqrec
