// The few libpq calls that block, kept off the event loop.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <utility>

namespace seqrec::sidecar {

/// Threads for calls that libpq has only in a blocking form: connecting resolves host names, PQcancel opens a
/// connection of its own and waits for the server to close it (the non-blocking PQcancelStart came with version
/// 17). On the event loop either would stop every other request. Each kind has two threads of its own, so that
/// cancels on their way to a host that is gone keep nobody from connecting to the next.
/// 用于 libpq 仅提供阻塞形式的调用的线程：建立连接会解析主机名，PQcancel 会另开连接并等待服务器关闭（非阻塞的
/// PQcancelStart 始于 17 版）。放在事件循环中会阻塞所有其他请求。两类调用各有两个线程，
/// 发往已消失主机的取消请求不会妨碍连接新的主机。
class BlockingTasks {
  public:
    explicit BlockingTasks(boost::asio::io_context& loop) : loop_(loop) {}

    /// Runs `work()` on a thread, then `done(result)` on the event loop.
    /// 在线程中运行 work()，然后在事件循环中运行 done(结果)。
    template <typename Work, typename Done>
    void connect(Work work, Done done) {
        run(connecting_, std::move(work), std::move(done));
    }

    /// The same; false, and nothing, where as many cancels as are worth waiting for are under way.
    /// 同上；进行中的取消已过多时返回 false，什么也不做。
    template <typename Work, typename Done>
    bool cancel(Work work, Done done) {
        if (cancelling_.running >= kMostCancels) return false;
        run(cancelling_, std::move(work), std::move(done));
        return true;
    }

    /// Whether no call is under way: only then does destruction return at once.
    /// 是否没有进行中的调用：只有此时析构才会立即返回。
    bool idle() const { return connecting_.running == 0 && cancelling_.running == 0; }

  private:
    static constexpr int kMostCancels = 256;
    struct Threads {
        std::atomic<int> running{0};
        boost::asio::thread_pool pool{2};
    };

    template <typename Work, typename Done>
    void run(Threads& threads, Work work, Done done) {
        ++threads.running;
        boost::asio::post(
            threads.pool, [this, &threads, work = std::move(work), done = std::move(done)]() mutable {
                // Shared, since a handler of the loop may be copied and a connection may not.
                auto result = std::make_shared<decltype(work())>(work());
                boost::asio::post(loop_,
                                  [done = std::move(done), result]() mutable { done(std::move(*result)); });
                --threads.running;
            });
    }

    boost::asio::io_context& loop_;
    Threads connecting_, cancelling_;
};

}  // namespace seqrec::sidecar
