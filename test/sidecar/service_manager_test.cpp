// What systemd says and hears.
#include "service_manager.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "config.hpp"

namespace seqrec::sidecar {
namespace {

/// The end that systemd holds: an abstract socket, whose name goes with it.
class Systemd {
  public:
    Systemd() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        const std::string name = "seqrec-test-" + std::to_string(::getpid());
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path + 1, name.data(), name.size());
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size), 0);
        ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
    }
    Systemd(const Systemd&) = delete;
    Systemd& operator=(const Systemd&) = delete;
    ~Systemd() {
        ::unsetenv("NOTIFY_SOCKET");
        ::close(socket_);
    }

    /// The next datagram; "" when there is none.
    std::string heard() const {
        char text[64];
        const ssize_t size = ::recv(socket_, text, sizeof text, 0);
        return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
    }

  private:
    int socket_;
};

TEST(ServiceManager, HearsWhenTheServiceIsReadyAndStops) {
    const Systemd systemd;
    boost::asio::io_context loop;
    ServiceManager manager(loop);
    EXPECT_EQ(systemd.heard(), "");
    manager.ready();
    EXPECT_EQ(systemd.heard(), "READY=1");
    EXPECT_EQ(systemd.heard(), "");  // nobody asked for signs of life
    manager.stopping();
    EXPECT_EQ(systemd.heard(), "STOPPING=1");
}

TEST(ServiceManager, GetsSignsOfLifeFromTheEventLoop) {
    const Systemd systemd;
    ::setenv("WATCHDOG_USEC", "20000", 1);
    boost::asio::io_context loop;
    ServiceManager manager(loop);
    ::unsetenv("WATCHDOG_USEC");
    manager.ready();
    EXPECT_EQ(systemd.heard(), "READY=1");
    EXPECT_EQ(systemd.heard(), "WATCHDOG=1");
    EXPECT_EQ(systemd.heard(), "");  // the loop has not run
    loop.run_one();
    EXPECT_EQ(systemd.heard(), "WATCHDOG=1");
    manager.stop();
    loop.run();  // ends: nothing is left to wait for
}

TEST(ServiceManager, OfAnotherProcessIsLeftAlone) {
    const Systemd systemd;
    ::setenv("WATCHDOG_USEC", "20000", 1);
    ::setenv("WATCHDOG_PID", "1", 1);
    boost::asio::io_context loop;
    ServiceManager manager(loop);
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
    manager.ready();
    EXPECT_EQ(systemd.heard(), "READY=1");
    EXPECT_EQ(systemd.heard(), "");
}

TEST(InheritedListener, IsTakenFromItsOwnVariablesOnce) {
    EXPECT_FALSE(inherited_listener());
    ::setenv("LISTEN_PID", "1", 1);  // meant for another process
    ::setenv("LISTEN_FDS", "1", 1);
    EXPECT_FALSE(inherited_listener());
    EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
}

TEST(InheritedListener, MustBeOneListeningSocket) {
    for (const char* count : {"2", "1"}) {  // 1: whatever file 3 is here, it does not listen
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", count, 1);
        EXPECT_THROW(inherited_listener(), ConfigError) << count;
    }
}

}  // namespace
}  // namespace seqrec::sidecar
