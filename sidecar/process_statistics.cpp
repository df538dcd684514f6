#include "process_statistics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace seqrec::sidecar {
namespace {

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double resident_bytes() {
    std::ifstream file("/proc/self/statm");
    double total = 0, resident = 0;
    file >> total >> resident;  // in pages
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_files() {
    std::error_code error;
    const std::filesystem::directory_iterator files("/proc/self/fd", error);
    return error ? 0
                 : static_cast<double>(std::distance(begin(files), end(files)) - 1);  // without this reading
}

const auto started = std::chrono::system_clock::now();

}  // namespace

ProcessStatistics process_statistics() {
    ProcessStatistics statistics;
    rusage usage{};
    rlimit limit{};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        statistics.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) statistics.max_files = static_cast<double>(limit.rlim_cur);
    statistics.resident_bytes = resident_bytes();
    statistics.open_files = open_files();
    statistics.started_at = std::chrono::duration<double>(started.time_since_epoch()).count();
    return statistics;
}

}  // namespace seqrec::sidecar
