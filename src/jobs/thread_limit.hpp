// How many threads a job's trainer may have: seqrec.trainer_threads. PostgreSQL code: may ereport.
#pragma once

#include "pg/boundary.hpp"

namespace seqrec {

/// A job's options with no more threads than the server allows; a NOTICE where more were asked for. They are decided when the job is
/// asked for, and stand in its row: what is resumed must go on with as many.
/// 任务的选项，线程数不超过服务器所允许的；若要求得更多则给出 NOTICE。在请求任务时即确定并记入其行：恢复的任务须以相同的线程数继续。
const char* with_allowed_threads(const char* options);

}  // namespace seqrec
