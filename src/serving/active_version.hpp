// The row of a model's active version, by a direct look into the index: a new connection asks this before
// anything else, and a planned query would cost it a millisecond. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"

extern "C" {
#include "utils/snapshot.h"
}

namespace seqrec {

/// What serving needs of a row of seqrec.models, palloc'd.
/// 服务所需的 seqrec.models 行内容，由 palloc 分配。
struct ActiveVersion {
    std::int64_t model_id;
    const char *version, *source;
    Oid owner;
    bool is_own;  ///< made active by this transaction
};

/// The version of `name` that is active in `snapshot`; null when there is none. seqrec's own tables are read
/// with nobody's privileges: EXECUTE on the serving functions is all that a caller needs.
/// snapshot 中 name 的启用版本，没有则为空。读取 seqrec 自己的表不检查权限。
const ActiveVersion* find_active_version(const char* name, SnapshotData* snapshot);

}  // namespace seqrec
