#pragma once

namespace seqrec::sidecar {

/// This process as the kernel sees it; times in seconds, sizes in bytes.
/// 内核视角下的本进程；时间以秒、大小以字节计。
struct ProcessStatistics {
    double resident_bytes = 0;
    double cpu_seconds = 0;
    double open_files = 0;
    double max_files = 0;
    double started_at = 0;  // since 1970
};

ProcessStatistics process_statistics();

}  // namespace seqrec::sidecar
