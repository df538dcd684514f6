// One client's connection: reads requests one after another, answers each in order.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "config.hpp"
#include "counters.hpp"
#include "http/client_socket.hpp"
#include "http/incoming.hpp"
#include "http/socket_writer.hpp"
#include "log.hpp"

namespace seqrec::sidecar {

class Session;

/// What a session shares with the others and with its server.
/// 会话与其他会话及服务器共享的内容。
struct SessionContext {
    SessionContext(const Config& config, const Router& router, AccessLog& access_log, Counters& counters)
        : config(config),
          router(router),
          access_log(access_log),
          counters(counters),
          doors{{}, Cors(config.cors_origins), Gate(config.read_token, config.admin_token)} {}

    const Config& config;
    const Router& router;
    AccessLog& access_log;
    Counters& counters;
    Doors doors;  // its hosts are known once the server listens
    bool draining = false;
    std::function<void(Session&)> on_end;
};

/// Lives as long as its connection. Bounds everything a client controls: header, body, and the time for each.
/// 与连接同生命周期。限制客户端可控的一切：头部、正文及各自的时间。
class Session : public std::enable_shared_from_this<Session> {
  public:
    using Clock = std::chrono::steady_clock;
    enum class Entry { Admitted, TurnedAway };

    /// A session TurnedAway answers 503 and closes: the server has as many clients as it takes.
    /// TurnedAway 的会话只应答 503 并关闭：服务器的客户端数已达上限。
    Session(ClientSocket socket, std::shared_ptr<SessionContext> context, Entry entry);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Serves until either side closes.
    /// 提供服务直到任一方关闭连接。
    boost::asio::awaitable<void> run();

    /// Interrupts a read or write whose time is over; called by the server's tick.
    /// 中断超时的读写；由服务器的定时节拍调用。
    void enforce_deadline(Clock::time_point now);

    /// Closes the connection if it waits for a request, or at once when `force`; a stream is told to end.
    /// 若连接正等待请求则关闭；force 时立即关闭。正在进行的流会被要求结束。
    void close(bool force);

  private:
    struct Exchange {
        RequestParser parser;
        Request request;
        const Route* route = nullptr;
        Response response;
        bool answered = false;  // without a handler
        std::size_t body_bytes = 0;
        Clock::duration took{};  // until the answer's header was on its way
        bool intact = true;      // the next request on this connection can still be found
        bool gone = false;       // nobody is left to answer
        Clock::time_point started;
    };

    boost::asio::awaitable<bool> serve_one();
    boost::asio::awaitable<bool> exchange_one(Exchange& exchange);
    boost::asio::awaitable<bool> wait_for_request();
    boost::asio::awaitable<void> receive(Exchange& exchange);
    boost::asio::awaitable<void> receive_body(Exchange& exchange);
    boost::asio::awaitable<void> answer(Exchange& exchange);
    boost::asio::awaitable<bool> reply(Exchange& exchange);
    boost::asio::awaitable<void> stream_body(Exchange& exchange);
    boost::asio::awaitable<void> turn_away();
    boost::asio::awaitable<void> linger();
    void read_failed(Exchange& exchange, boost::system::error_code error);
    void spoil(Exchange& exchange, const Problem& problem);
    void answer_with(Exchange& exchange, Response response);
    void tell_time(Exchange& exchange);
    void log(const Exchange& exchange);
    void limit(std::chrono::milliseconds time);

    ClientSocket socket_;
    std::shared_ptr<SessionContext> context_;
    Entry entry_;
    std::string remote_;
    boost::beast::flat_buffer buffer_;
    Clock::time_point deadline_ = Clock::time_point::max();
    std::shared_ptr<SocketWriter> writer_;  // while a body is streamed
    bool timed_out_ = false;
    bool waiting_ = false;
    bool unread_ = false;  // the client may still be sending what nobody will read
};

}  // namespace seqrec::sidecar
