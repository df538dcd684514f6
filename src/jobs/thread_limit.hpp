// How many threads a job's trainer may have: seqrec.trainer_threads. PostgreSQL code: may ereport.
#pragma once

#include "pg/boundary.hpp"

namespace seqrec {

/// As many as were asked for (0: all cores), but no more than the server allows; a NOTICE where it allows less. They are decided when
/// the job is asked for, and stand in its row: what is resumed must go on with as many.
/// 所要求的线程数（0 为全部核心），但不超过服务器所允许的；不足时给出 NOTICE。在请求任务时即确定并记入其行：恢复的任务须以相同的线程数继续。
int allowed_threads(int asked);

}  // namespace seqrec
