// Names of hosts that take their time to be resolved. The C library's function is replaced for all of this program.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "db/pool.hpp"

namespace {

constexpr char kSlow[] = "slow.test";
std::mutex mutex;
std::condition_variable changed;
bool released = false, answered = false;

}  // namespace

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
    using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
    if (node && std::strcmp(node, kSlow) == 0) {
        std::unique_lock lock(mutex);
        changed.wait_for(lock, std::chrono::seconds(3),
                         [] { return released; });  // where the loop waits, it fails and does not hang
        answered = true;
        return EAI_NONAME;
    }
    return real(node, service, hints, found);
}

namespace seqrec::sidecar {
namespace {

/// The first host refuses, and the name of the second takes long: the event loop must not be what waits.
TEST(SlowNames, DoNotHoldTheLoop) {
    boost::asio::io_context loop;
    const auto work = boost::asio::make_work_guard(loop);
    BlockingTasks tasks(loop);
    PoolSettings settings;
    settings.connection = {std::string("host=127.0.0.1,") + kSlow + " port=1,1 user=u sslmode=disable",
                           {},
                           false,
                           std::chrono::milliseconds(300),
                           std::chrono::seconds(1800)};
    Pool pool(loop, tasks, settings);
    pool.start();
    const auto end = Clock::now() + std::chrono::seconds(10);
    while (pool.statistics().connect_failures == 0 && Clock::now() < end)
        loop.run_one_for(std::chrono::milliseconds(20));
    EXPECT_EQ(pool.statistics().connect_failures, 1U);
    const std::lock_guard lock(mutex);
    EXPECT_FALSE(answered);
    released = true;
    changed.notify_all();
    pool.stop();
}

}  // namespace
}  // namespace seqrec::sidecar
