// Two streams of JSON lines: requests on standard output, everything an operator should know on standard
// error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "timing.hpp"

namespace seqrec::sidecar {

/// Writes one event to standard error at once. `request_id` may be empty.
/// 立即向标准错误写一条事件。request_id 可为空。
void log_event(std::string_view level, std::string_view message, std::string_view request_id = {});

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
/// a request never waits for the reader of the log.
/// 将标准输出作为缓冲区：每个请求写入一行，由 flush() 每秒数次写出，使请求不必等待日志读取方。
class AccessLog {
  public:
    explicit AccessLog(bool enabled) : enabled_(enabled) {}

    void write(const AccessEntry& entry);
    void flush();

  private:
    bool enabled_;
    std::string buffer_;
};

}  // namespace seqrec::sidecar
