// Two streams of JSON lines: requests on standard output, everything an operator should know on standard
// error.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "timing.hpp"

namespace seqrec::sidecar {

/// A standard stream that nobody has to read: what its reader does not take waits here, up to a bound; lines beyond it are
/// counted, and the count is written as a line when there is room again.
/// 不要求有人读取的标准流：读取方未取走的内容在此等待，但有上限；超出的行只计数，有空间时以一行写出计数。
class LogStream {
  public:
    LogStream(int file, std::size_t most_kept) : file_(file), most_kept_(most_kept) {}

    void add(std::string_view line);
    /// Writes what can be written without waiting.
    /// 写出无需等待即可写出的部分。
    void flush();
    std::size_t size() const { return kept_.size(); }

  private:
    int file_;
    std::size_t most_kept_;
    std::string kept_;
    std::size_t lost_ = 0;
};

/// Writes one event to standard error, at once unless nobody reads that. `request_id` may be empty.
/// 向标准错误写一条事件；除非无人读取，否则立即写出。request_id 可为空。
void log_event(std::string_view level, std::string_view message, std::string_view request_id = {});
/// Writes events that could not be written at once.
/// 写出此前未能立即写出的事件。
void flush_events();

/// What the access log keeps of one request: nothing that names a user. `route` is empty for unknown paths,
/// which may hold ids.
/// 访问日志中一个请求的内容：不含任何用户标识。未知路径的 route 为空，因为路径中可能含有标识。
struct AccessEntry {
    std::string_view request_id, remote, method, route;
    unsigned status = 0;
    std::size_t bytes = 0;
    std::chrono::duration<double, std::milli> took{};
    std::optional<Timing> database;  // none where it was not asked
};

/// Standard output as a buffer: filled a line a request, written out by flush() a few times a second, so that
/// few requests cost a system call.
/// 将标准输出作为缓冲区：每个请求写入一行，由 flush() 每秒数次写出，使大多数请求无需系统调用。
class AccessLog {
  public:
    explicit AccessLog(bool enabled) : enabled_(enabled) {}

    void write(const AccessEntry& entry);
    void flush() { stream_.flush(); }

  private:
    bool enabled_;
    LogStream stream_{1, 1 << 20};
};

}  // namespace seqrec::sidecar
