// A fixed set of threads that work on the shards of one step.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace seqrec::trainer {

/// Runs the same job for the parts 0 .. count-1, one thread a part (the caller's thread takes part 0). Each
/// thread computes alone: libtorch and its BLAS are kept to one thread, because many small steps lose more to
/// waiting at barriers than they win. An exception of a part is rethrown by run().
/// 将同一任务的各部分分配给固定的线程（调用线程处理第 0 部分）。每个线程独立计算；
/// 任一部分的异常由 run() 重新抛出。
class Workers {
  public:
    /// std::system_error when a thread can't be started.
    /// 线程无法启动时抛出 std::system_error。
    explicit Workers(int count);
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    int count() const { return count_; }
    void run(const std::function<void(int part)>& job);
    /// Calls job(begin, end) for `count` nearly equal pieces of [0, n).
    void split(std::int64_t n, const std::function<void(std::int64_t begin, std::int64_t end)>& job);

  private:
    void work(int part);
    void finish_part(const std::exception_ptr& failure = nullptr);
    void stop();

    int count_;
    std::mutex mutex_;
    std::condition_variable start_, finish_;
    const std::function<void(int)>* job_ = nullptr;
    std::uint64_t round_ = 0;
    int busy_;
    bool stopping_ = false;
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

}  // namespace seqrec::trainer
