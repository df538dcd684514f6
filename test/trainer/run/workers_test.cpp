// Threads that share a step.
#include "run/workers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <system_error>

#include "limits.hpp"

namespace seqrec::trainer {
namespace {

TEST(Workers, SplitCoversEverythingOnce) {
    Workers workers(3);
    std::vector<std::atomic<int>> seen(10);
    workers.split(10, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
    });
    for (const auto& times : seen) EXPECT_EQ(times, 1);
}

TEST(Workers, RethrowWhatAPartThrows) {
    Workers workers(3);
    for (int thrower = 0; thrower < 3; ++thrower)
        EXPECT_THROW(workers.run([&](int part) {
            if (part == thrower) throw std::runtime_error("no");
        }),
                     std::runtime_error);
    int ran = 0;
    workers.run([&](int part) { ran += part == 0; });
    EXPECT_EQ(ran, 1);
}

/// In a process of its own, which says how it ended.
[[noreturn]] void start_more_threads_than_fit() {
    const Workers first(1);  // whatever the libraries allocate once
    testing::limit_memory(::getpid(), 64 << 20);
    try {
        const Workers workers(1000);
    } catch (const std::system_error&) {
        ::_exit(17);
    } catch (const std::bad_alloc&) {
        ::_exit(17);
    }
    ::_exit(0);
}

TEST(WorkersDeathTest, AThreadThatCannotStartIsAnException) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";  // the libraries' threads don't survive a fork
    EXPECT_EXIT(start_more_threads_than_fit(), ::testing::ExitedWithCode(17), "");
}

}  // namespace
}  // namespace seqrec::trainer
