// Whether a job's background worker can log in as its owner. PostgreSQL code: may ereport.
#pragma once

#include "pg/boundary.hpp"

namespace seqrec {

/// A worker logs in as the job's owner: ERROR 42704, 28000 or 42501 when it could not.
/// 后台进程以任务所有者的身份登录；无法登录时报错 42704、28000 或 42501。
void check_login(Oid role);

}  // namespace seqrec
