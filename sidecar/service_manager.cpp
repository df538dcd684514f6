#include "service_manager.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "config.hpp"

namespace seqrec::sidecar {
namespace {

constexpr int kFirstFile = 3;  // SD_LISTEN_FDS_START

std::string variable(const char* name) {
    const char* text = std::getenv(name);
    return text ? text : "";
}

long long number_in(const char* name) {
    const auto text = variable(name);
    long long number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

bool is_listening(int file) {
    int listening = 0;
    socklen_t size = sizeof listening;
    return getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

std::string text_of(const sockaddr_in& address) {
    return boost::asio::ip::address_v4(ntohl(address.sin_addr.s_addr)).to_string();
}

std::string text_of(const sockaddr_in6& address) {
    boost::asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &address.sin6_addr, bytes.size());
    return boost::asio::ip::address_v6(bytes).to_string();
}

/// What a listening stream socket is bound to; nothing for another kind of file.
std::optional<InheritedListener> listener_at(int file) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (!is_listening(file) || getsockname(file, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
        return std::nullopt;
    switch (storage.ss_family) {
        case AF_INET:
            return InheritedListener{file, text_of(reinterpret_cast<const sockaddr_in&>(storage)), AF_INET};
        case AF_INET6:
            return InheritedListener{file, text_of(reinterpret_cast<const sockaddr_in6&>(storage)), AF_INET6};
        case AF_UNIX:
            return InheritedListener{
                file, std::string(kUnixPrefix) + reinterpret_cast<const sockaddr_un&>(storage).sun_path,
                AF_UNIX};
        default:
            return std::nullopt;
    }
}

}  // namespace

std::optional<InheritedListener> inherited_listener() {
    const bool is_ours = number_in("LISTEN_PID") == getpid();
    const auto count = number_in("LISTEN_FDS");
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
    if (!is_ours || count == 0) return std::nullopt;
    auto listener = listener_at(kFirstFile);
    if (count != 1 || !listener) throw ConfigError("LISTEN_FDS: expected one listening TCP or Unix socket");
    fcntl(kFirstFile, F_SETFD, FD_CLOEXEC);
    return listener;
}

ServiceManager::ServiceManager(boost::asio::io_context& loop)
    : socket_(variable("NOTIFY_SOCKET")), timer_(loop) {
    const auto process = number_in("WATCHDOG_PID");
    if (process == 0 || process == getpid())
        interval_ = std::chrono::microseconds(number_in("WATCHDOG_USEC") / 2);
}

void ServiceManager::ready() {
    send("READY=1");
    if (!socket_.empty() && interval_.count() > 0) sign_of_life();
}

void ServiceManager::stopping() { send("STOPPING=1"); }

void ServiceManager::sign_of_life() {
    send("WATCHDOG=1");
    timer_.expires_after(interval_);
    timer_.async_wait([this](boost::system::error_code error) {
        if (!error) sign_of_life();
    });
}

void ServiceManager::send(std::string_view state) const {
    sockaddr_un address{};
    if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    if (socket_[0] == '@') address.sun_path[0] = '\0';  // an abstract socket
    const int file = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file < 0) return;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    sendto(file, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
    close(file);
}

}  // namespace seqrec::sidecar
