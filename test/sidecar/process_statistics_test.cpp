// This process as the kernel sees it.
#include "process_statistics.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

namespace seqrec::sidecar {
namespace {

TEST(ProcessStatistics, AreThoseOfNow) {
    const ProcessStatistics before = process_statistics();
    EXPECT_GT(before.resident_bytes, 1 << 20);
    EXPECT_GT(before.max_files, before.open_files);
    const auto now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    EXPECT_LE(before.started_at, now);
    EXPECT_GT(before.started_at, now - 3600);
    const int file = ::open("/dev/null", O_RDONLY);
    EXPECT_EQ(process_statistics().open_files, before.open_files + 1);
    ::close(file);
    EXPECT_EQ(process_statistics().open_files, before.open_files);
}

TEST(ProcessStatistics, CountTheTimeThatIsWorked) {
    const double before = process_statistics().cpu_seconds;
    for (const std::clock_t begin = std::clock(); std::clock() - begin < CLOCKS_PER_SEC / 10;) {
    }
    const double worked = process_statistics().cpu_seconds - before;
    EXPECT_GE(worked, 0.09);
    EXPECT_LT(worked, 5);
}

}  // namespace
}  // namespace seqrec::sidecar
