// One connection to the database: a libpq state machine driven by the event loop.
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "db/blocking_tasks.hpp"
#include "db/query.hpp"
#include "db/session_settings.hpp"

namespace seqrec::sidecar {

using Clock = std::chrono::steady_clock;

struct Ticket;
using TicketPtr = std::shared_ptr<Ticket>;

/// One query on its way through the pool. `done` is called once, and is empty from then on. A ticket with
/// `members` stands for them and has no `done` of its own.
/// 连接池中的一次查询。done 只被调用一次，此后为空。带 members 的票据代表其成员，自身没有 done。
struct Ticket {
    Query query;
    std::vector<TicketPtr> members;
    Clock::time_point submitted_at, sent_at;
    Clock::time_point deadline;
    std::function<void(Outcome)> done;
    bool sent = false;
    bool retried = false;
    bool cancel_risk = false;  // a cancel meant for its neighbour on the connection may have hit it

    /// Somebody still waits for it.
    /// 仍有人等待。
    bool is_live() const;
    void finish(Outcome outcome);
};

/// What a connection needs to know to be opened.
/// 打开连接所需的信息。
struct ConnectionSettings {
    std::string dsn;
    SessionSettings session;
    bool prepare = true;
    std::chrono::milliseconds connect_timeout{};
    std::chrono::seconds lifetime{};
};

class Connection;

/// The pool, as a connection sees it.
/// 连接所见的连接池接口。
class ConnectionOwner {
  public:
    /// The connection can take queries, or can take one more.
    /// 连接可以接受（更多）查询。
    virtual void on_capacity(Connection& connection) = 0;
    virtual void on_open(Connection& connection) = 0;
    /// `lost` are the queries that were under way. `was_open` is false when connecting failed. `reason` is
    /// empty when the connection had reached its age.
    /// lost 为尚未完成的查询；连接未能建立时 was_open 为 false；因到达寿命而关闭时 reason 为空。
    virtual void on_closed(Connection& connection, bool was_open, const std::string& reason,
                           std::deque<TicketPtr> lost) = 0;
    virtual void on_reply(const TicketPtr& ticket, Outcome outcome) = 0;

  protected:
    ~ConnectionOwner() = default;
};

/// Connects, sends queries in pipeline mode with one sync each (so that an error ends one query and not its
/// neighbours), hands replies to its owner in order. Never blocks; lives on one event loop.
/// 建立连接，以流水线模式发送查询，每个查询一个同步点（错误只影响自身），并按序将结果交给所有者。从不阻塞，
/// 只在一个事件循环上运行。
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(boost::asio::io_context& loop, BlockingTasks& tasks, ConnectionOwner& owner,
               const ConnectionSettings& settings);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Starts connecting; on_open or on_closed follows. `first_word` bounds the wait for the server's first one: a host
    /// that is gone says nothing, and the next attempt may reach another in its place. It begins with that one of several hosts.
    /// 开始连接，随后回调 on_open 或 on_closed。first_word 限制等待服务器首个应答的时间：已消失的主机不会应答，
    /// 下一次尝试可能连到接替它的主机。first_host 指定从多个主机中的哪一个开始。
    void open(Clock::duration first_word, unsigned first_host = 0);

    /// Sends a query; the reply comes through on_reply. Only when accepts(depth).
    /// 发送查询，结果经 on_reply 返回。仅在 accepts(depth) 时可调用。
    void send(const TicketPtr& ticket);

    /// Makes the server stop a query nobody waits for any more, now or when its turn comes.
    /// 让服务器停止已无人等待的查询：立即或轮到它时。
    void cancel_head_if_abandoned();

    /// Closes without telling the owner.
    /// 关闭连接，不通知所有者。
    void shut();

    bool is_open() const { return state_ == State::Open; }
    bool is_closed() const { return state_ == State::Closed; }
    bool accepts(std::size_t depth) const;
    std::size_t in_flight() const { return in_flight_.size(); }
    /// Whether the query that is being answered has taken longer than `time`.
    /// 正在执行的查询是否已超过 time。
    bool is_slow(Clock::time_point now, Clock::duration time) const {
        return !in_flight_.empty() && now - busy_since_ > time;
    }
    Clock::time_point opened_at() const { return opened_at_; }

  private:
    enum class State { Closed, Connecting, Open };
    struct Sent {
        TicketPtr ticket;
        std::optional<Outcome> reply;
        int before = 0;         // results of settings sent before it that have not come
        bool is_own = false;    // the session, by what they say
        bool has_rows = false;  // its answer was beginning to come
        bool prepares = false;  // until the server has prepared the statement
        bool cancelled = false;
    };
    using Handle = std::unique_ptr<PGconn, decltype(&PQfinish)>;
    using Life = std::atomic<unsigned>;

    void limit_connecting(Clock::time_point until);
    void adopt(Handle handle);
    void wait_to_connect(boost::asio::posix::stream_descriptor::wait_type what);
    void poll_connect();
    void polled(PostgresPollingStatusType status);
    void establish();
    void watch_input();
    void on_input();
    void flush();
    bool write_query(const Query& query, bool prepares);
    bool write_settings(Sent& sent);
    bool write(Sent& sent);
    bool must_prepare(const Query& query);
    void read_replies();
    void read_reply(PGresult* result);
    void read_settings(PGresult* result);
    void finish_head();
    void remember_prepared(const Sent& sent, const Outcome& outcome);
    void cancel_head();
    void cancel_is_through();
    void limit_lifetime();
    void fail(const std::string& reason);
    void release_socket();

    BlockingTasks& tasks_;
    ConnectionOwner& owner_;
    const ConnectionSettings& settings_;
    State state_ = State::Closed;
    // Handlers of an earlier life of this object see another number and do nothing; so do calls on threads, which may come
    // to it after the connection.
    std::shared_ptr<Life> generation_ = std::make_shared<Life>(0);
    Handle handle_{nullptr, PQfinish};
    boost::asio::posix::stream_descriptor socket_;
    boost::asio::steady_timer timer_;  // limits connecting, and later the wait for a cancelled query
    boost::asio::steady_timer lifetime_timer_;
    Clock::time_point connect_until_;
    Clock::duration first_word_{};
    bool flushing_ = false;
    bool cancelling_ = false;
    bool expired_ = false;  // old enough to be replaced once its queries are through
    Clock::time_point opened_at_;
    Clock::time_point busy_since_;  // when the first of those in flight came to be so
    std::vector<Query> settings_queries_;
    bool settled_ = false;  // the session has them, and is this connection's own
    std::deque<Sent> in_flight_;
    std::set<const Statement*> prepared_;
};

}  // namespace seqrec::sidecar
