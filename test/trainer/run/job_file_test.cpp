// What a job file says.
#include "run/job_file.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace seqrec::trainer {
namespace {

TEST(JobFile, ThreadsAreAllCoresUnlessItSaysOtherwise) {
    for (const int threads : {1, 3, 1024}) EXPECT_EQ(thread_count({{"threads", threads}}), threads);
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    EXPECT_EQ(thread_count({{"threads", 0}}), cores);
    EXPECT_EQ(thread_count(nlohmann::json::object()), cores);
}

}  // namespace
}  // namespace seqrec::trainer
