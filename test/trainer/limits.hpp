// Too little memory, on purpose.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace seqrec::trainer::testing {

/// Lets a process have `more` bytes of memory beyond what it has now.
/// 限制进程至多再使用 more 字节内存。
inline void limit_memory(pid_t process, std::uint64_t more) {
    std::ifstream file("/proc/" + std::to_string(process) + "/statm");
    std::uint64_t pages = 0;
    for (int field = 0; field < 6; ++field) file >> pages;  // the sixth: data and stack
    const rlim_t most = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + more;
    const rlimit limit{most, most};
    ::prlimit(process, RLIMIT_DATA, &limit, nullptr);
}

}  // namespace seqrec::trainer::testing
