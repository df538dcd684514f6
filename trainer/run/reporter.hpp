// The trainer's side of the protocol: one JSON object a line on standard output.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>

namespace seqrec::trainer {

/// Prints events, and repeats the latest progress so that a line appears at least once a second even while
/// one step takes longer. Safe to use from several threads.
/// 打印事件；即使单步耗时较长，也会重复最近的进度以保证每秒至少一行。线程安全。
class Reporter {
  public:
    Reporter() = default;
    ~Reporter();
    Reporter(const Reporter&) = delete;
    Reporter& operator=(const Reporter&) = delete;

    /// Sets what the progress lines say; prints at most about five lines a second. The first call prints
    /// before it starts the thread that repeats. std::system_error when that can't be started.
    /// 设置进度内容；每秒至多打印约五行。首次调用先打印，再启动负责重复的线程，
    /// 无法启动时抛出 std::system_error。
    void progress(nlohmann::json fields);
    /// Prints one event at once.
    void event(const char* name, nlohmann::json fields);
    /// Prints a line that is there already, and needs no memory for it.
    /// 打印现成的一行，不需要内存。
    void line(std::string_view text);
    void warning(const std::string& message) { event("warning", {{"message", message}}); }

  private:
    void print_progress();
    void repeat();
    void heartbeat();

    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    nlohmann::json latest_;
    std::chrono::steady_clock::time_point printed_{};
    std::thread thread_;
};

}  // namespace seqrec::trainer
