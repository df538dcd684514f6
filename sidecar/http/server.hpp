// The listener, and all sessions together: limits, the tick that enforces time limits, the orderly end.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>

#include "http/listener.hpp"
#include "http/session.hpp"

namespace seqrec::sidecar {

/// Accepts connections on one address until it is told to drain.
/// 在一个地址上接受连接，直到被要求排空。
class Server {
  public:
    /// `on_stopped` is called once, when the last session has ended after drain().
    /// drain() 之后最后一个会话结束时调用一次 on_stopped。
    Server(boost::asio::io_context& loop, const Config& config, const Router& router, Counters& counters,
           std::function<void()> on_stopped);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Opens the listener, or takes the one that was handed over. Throws what Listener::open does.
    /// 打开监听，或使用交接来的监听套接字。抛出的异常同 Listener::open。
    void start(const std::optional<InheritedListener>& inherited);

    /// Goes on serving for `wait` with /readyz at 503, then accepts nobody and ends when the running requests
    /// have their answers. A second call ends everything at once.
    /// 先以 /readyz 503 继续服务 wait 时长，随后不再接受连接，待进行中的请求应答后结束。再次调用则立即结束。
    void drain(std::chrono::milliseconds wait);

    bool is_draining() const { return context_->draining; }

  private:
    boost::asio::awaitable<void> accept_all();
    void admit(ClientSocket socket);
    void tick();
    void stop_accepting();
    void close_sessions(bool force);
    void stop_if_empty();

    boost::asio::io_context& loop_;
    const Config& config_;
    AccessLog access_log_;
    std::shared_ptr<SessionContext> context_;
    std::function<void()> on_stopped_;
    Listener listener_;
    boost::asio::steady_timer tick_timer_;
    boost::asio::steady_timer drain_timer_;
    std::unordered_set<Session*> sessions_;
};

}  // namespace seqrec::sidecar
