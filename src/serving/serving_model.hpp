// Which model version answers, and its snapshot, kept in the backend and refreshed when a version is
// activated. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/files/snapshot.hpp"

#include "pg/boundary.hpp"
#include "serving/snapshot_worker.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace seqrec {

struct History;  // the prepared query of users' own rows: history.cpp
void free_history(History*& history);

/// For how long a look-up is good; as it begins, for the call that made it only.
/// 一次查找在多长时间内有效；默认仅对发起它的那次调用有效。
struct Holds {
    std::uint64_t generation = 0;   // while no activation has come since; 0: not beyond the call
    std::uint32_t transaction = 0;  // not 0: in this local transaction only
    TimestampTz statement =
        0;  // not 0: in the statement that began then only, in place of the version that is active

    bool now() const;
};

struct ServingModel {
    std::string name, version, source;
    std::string mapping;  // of the snapshot: the version, and which of this process's mappings
    Oid owner = InvalidOid;
    Oid user_type = InvalidOid, item_type = InvalidOid;  // of the columns, where ids have several spellings
    std::int64_t model_id = 0;
    std::unique_ptr<const Snapshot> snapshot;
    std::string path;                // where the snapshot's file is, or would be
    bool is_private = false;         // a copy that no other process can open
    std::optional<FileState> found;  // what was there when it was opened
    TimestampTz checked = 0;         // start of the statement that last looked whether it still is
    History* history = nullptr;      // prepared by history.cpp

    bool is_own = false;    // opened by the transaction that made it active: it may come to nothing
    Holds holds;            // when it answers without another look
    SnapshotWorker worker;  // makes the version ready that is active instead

    ServingModel() = default;
    ServingModel(const ServingModel&) = delete;
    ServingModel& operator=(const ServingModel&) = delete;
};

/// The active version of a name as the current snapshot of the database sees it; ERROR 42704 when there is
/// none. The reference is good until the next call.
/// 当前数据库快照所见的启用版本；没有则报错 42704。引用在下次调用前有效。
ServingModel& serving_model(const char* name, std::size_t length);

/// The same, though its snapshot has to be made ready first, where serving_model() answers with the earlier version meanwhile: for
/// who asks for all users, and wants them once.
/// 同上，但总是启用版本本身，即使须等待其快照就绪：用于一次取全部用户的查询。
ServingModel& active_model(std::string_view name);

/// Reads the active version's whole snapshot into memory and verifies it again, whatever its stamp says; a
/// damaged one is built again. Returns its size.
/// 将启用版本的整个快照读入内存并重新校验，不依赖校验标记；损坏时重建。返回其大小。
std::int64_t prewarm(const char* name, std::size_t length);

/// Tells this process's transactions apart.
/// 区分本进程的各个事务。
std::uint32_t local_transaction();

/// Listens for activations; called once when the library is loaded.
/// 监听版本切换；加载时调用一次。
void watch_active_models();

}  // namespace seqrec
