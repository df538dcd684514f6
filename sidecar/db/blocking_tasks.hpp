// The few libpq calls that block, kept off the event loop.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <utility>

namespace seqrec::sidecar {

/// Two threads for calls that libpq has only in a blocking form: PQcancel opens a connection of its own and
/// waits for the server to close it (the non-blocking PQcancelStart came with version 17), and PQconnectStart
/// resolves host names. On the event loop either would stop every other request.
/// 两个线程，用于 libpq 仅提供阻塞形式的调用：PQcancel 会另开连接并等待服务器关闭（非阻塞的 PQcancelStart
/// 始于 17 版），PQconnectStart 会解析主机名。放在事件循环中会阻塞所有其他请求。
class BlockingTasks {
  public:
    explicit BlockingTasks(boost::asio::io_context& loop) : loop_(loop), threads_(2) {}

    /// Runs `work()` on a thread, then `done(result)` on the event loop.
    /// 在线程中运行 work()，然后在事件循环中运行 done(结果)。
    template <typename Work, typename Done>
    void run(Work work, Done done) {
        ++running_;
        boost::asio::post(threads_, [this, work = std::move(work), done = std::move(done)]() mutable {
            // Shared, since a handler of the loop may be copied and a connection may not.
            auto result = std::make_shared<decltype(work())>(work());
            boost::asio::post(loop_,
                              [done = std::move(done), result]() mutable { done(std::move(*result)); });
            --running_;
        });
    }

    /// Whether no call is under way: only then does destruction return at once.
    /// 是否没有进行中的调用：只有此时析构才会立即返回。
    bool idle() const { return running_ == 0; }

  private:
    boost::asio::io_context& loop_;
    std::atomic<int> running_{0};
    boost::asio::thread_pool threads_;
};

}  // namespace seqrec::sidecar
