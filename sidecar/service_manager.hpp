// What systemd tells a service and wants to hear from it, without its library.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace seqrec::sidecar {

/// A listening socket that was opened before this process began.
/// 在本进程启动之前已打开的监听套接字。
struct InheritedListener {
    int file;
    std::string address;  // an IP address, or "unix:PATH"
    int family;
};

/// The socket of LISTEN_FDS, when there is one for this process; its variables are removed from the
/// environment. Throws ConfigError when it is not one listening TCP or Unix socket.
/// LISTEN_FDS 交给本进程的套接字（如有），并从环境中移除相关变量。若不是恰好一个监听中的 TCP 或 Unix 套接字，
/// 则抛出 ConfigError。
std::optional<InheritedListener> inherited_listener();

/// Sends datagrams to NOTIFY_SOCKET; without one everything here does nothing.
/// 向 NOTIFY_SOCKET 发送数据报；没有该变量时一切操作均无效果。
class ServiceManager {
  public:
    explicit ServiceManager(boost::asio::io_context& loop);
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;

    /// READY=1, and from then on signs of life from the event loop if WATCHDOG_USEC asks for them.
    /// 发送 READY=1；若 WATCHDOG_USEC 有要求，此后由事件循环定期发送存活信号。
    void ready();
    /// STOPPING=1.
    /// 发送 STOPPING=1。
    void stopping();
    /// No more signs of life.
    /// 不再发送存活信号。
    void stop() { timer_.cancel(); }

  private:
    void send(std::string_view state) const;
    void sign_of_life();

    std::string socket_;
    std::chrono::microseconds interval_{0};
    boost::asio::steady_timer timer_;
};

}  // namespace seqrec::sidecar
