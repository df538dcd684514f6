// The connections together: who gets a query, who waits, who is turned away.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <deque>
#include <vector>

#include "config.hpp"
#include "db/connection.hpp"
#include "db/pool_statistics.hpp"

namespace seqrec::sidecar {

/// How a pool connects, and what it bears.
/// 连接池的连接方式与容量。
struct PoolSettings {
    ConnectionSettings connection;
    int size = 1;
    int pipeline = 1;
    int batch = 1;
    int queue = 1;
    std::chrono::milliseconds deadline{};
    bool lazy = false;  // connects when the first query comes
};

/// The pool that answers: its transactions are read-only.
/// 用于查询的连接池：事务只读。
PoolSettings reading_pool(const Config& config);

/// The pool for routes that write: one connection, opened when it is needed, as SEQREC_ADMIN_DSN says.
/// 用于写操作路由的连接池：一个按需建立的连接，由 SEQREC_ADMIN_DSN 指定。
PoolSettings writing_pool(const Config& config);

/// A fixed number of connections, a bounded queue before them, a deadline for every query. Joinable queries
/// that wait for the same connection are sent as one; should that fail, each is sent alone. Without a
/// database queries fail at once, but for those that were being answered when it went: they are asked again until their deadline.
/// One connection after the other probes, with growing pauses, until the database is back, then all return.
/// 固定数量的连接、有界队列以及每个查询的截止时间。等待同一连接的可合并查询会合并发送，若失败则逐个发送。
/// 没有数据库时查询立即失败，但数据库消失时正在执行的查询会在截止时间内重新执行；各连接以递增间隔轮流探测，
/// 数据库恢复后全部重连。
class Pool : private ConnectionOwner {
  public:
    Pool(boost::asio::io_context& loop, BlockingTasks& tasks, PoolSettings settings);
    ~Pool() = default;
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    /// Starts connecting, unless the pool is lazy.
    /// 开始连接数据库（按需连接的除外）。
    void start();

    /// Fails everything that waits and closes all connections for good.
    /// 令所有等待中的查询失败，并永久关闭所有连接。
    void stop();

    /// Runs a query and calls `done` on the event loop, never before this returns. Unavailable, QueueFull,
    /// Deadline and OutcomeUnknown are the pool's own errors, Refused is the server's.
    /// 执行查询并在事件循环中调用 done（绝不会在本函数返回之前）。Unavailable、QueueFull、
    /// Deadline 与 OutcomeUnknown 由连接池产生，Refused 来自服务器。
    void submit(Query query, std::function<void(Outcome)> done);

    /// submit() as a coroutine.
    /// submit() 的协程形式。
    boost::asio::awaitable<Outcome> run(Query query);

    const PoolStatistics& statistics() const { return statistics_; }
    PoolState state() const;

  private:
    void on_capacity(Connection& connection) override;
    void on_open(Connection& connection) override;
    void on_closed(Connection& connection, bool was_open, const std::string& reason,
                   std::deque<TicketPtr> lost) override;
    void on_reply(const TicketPtr& ticket, Outcome outcome) override;

    bool any_open() const;
    void connect_all();
    void back_off();
    void probe();
    void enqueue(const TicketPtr& ticket);
    void dispatch();
    TicketPtr next_waiting();
    bool waits_to_be_joined() const;
    TicketPtr joined_with_others(const TicketPtr& first);
    std::size_t fair_share() const;
    void on_group_reply(const Ticket& group, Outcome outcome);
    void answer(Ticket& ticket, Outcome outcome, Clock::time_point sent_at);
    Connection* least_busy();
    bool retry(const TicketPtr& ticket);
    void ask_again(const TicketPtr& ticket, const Outcome& otherwise);
    void give_up(Ticket& ticket);
    void forget_answered();
    void arm_deadline();
    void on_deadline();
    void fail_waiting();
    DatabaseError unavailable();

    boost::asio::io_context& loop_;
    const PoolSettings settings_;
    PoolStatistics statistics_;
    std::vector<std::shared_ptr<Connection>> connections_;
    std::deque<TicketPtr> waiting_;  // may hold finished tickets; they are skipped
    std::size_t live_waiting_ = 0;
    std::deque<TicketPtr>
        by_deadline_;  // every query has the same time, so order of arrival is order of deadline; may hold finished ones
    std::size_t forget_at_;
    boost::asio::steady_timer deadline_timer_;
    bool deadline_armed_ = false;
    boost::asio::steady_timer back_off_timer_;
    bool probe_set_ = false;
    unsigned probes_ = 0;
    std::chrono::milliseconds pause_;
    std::uint64_t gaps_ = 0;  // connections that went and have not come back
    bool down_ = false;       // an attempt to connect has failed and none has succeeded since
    bool stopped_ = false;
};

}  // namespace seqrec::sidecar
