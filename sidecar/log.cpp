#include "log.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace seqrec::sidecar {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::size_t kFlushAt = 64 * 1024;

std::string now_utc() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    const std::time_t seconds = milliseconds / 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 40> text{};
    const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text.data() + length, text.size() - length, ".%03dZ",
                  static_cast<int>(milliseconds % 1000));
    return text.data();
}

/// JSON text of a string; bytes that are not UTF-8 are replaced, so that a log line is always valid.
std::string quoted(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;  // the reader has gone: serving matters more than its log
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

void log_event(std::string_view level, std::string_view message, std::string_view request_id) {
    std::string line = R"({"at":")" + now_utc() + R"(","level":)" + quoted(level);
    if (!request_id.empty()) line += R"(,"request_id":)" + quoted(request_id);
    line += R"(,"message":)" + quoted(message) + "}\n";
    write_all(STDERR_FILENO, line);
}

void AccessLog::write(const AccessEntry& entry) {
    if (!enabled_) return;
    std::array<char, 128> numbers{}, database{};
    std::snprintf(numbers.data(), numbers.size(), R"(,"status":%u,"bytes":%zu,"ms":%.3f)", entry.status,
                  entry.bytes, entry.took.count());
    if (entry.database)
        std::snprintf(database.data(), database.size(), R"(,"queue_ms":%.3f,"db_ms":%.3f)",
                      Milliseconds(entry.database->waited).count(),
                      Milliseconds(entry.database->answered).count());
    buffer_ += R"({"at":")" + now_utc() + R"(","request_id":)" + quoted(entry.request_id) + R"(,"remote":)" +
               quoted(entry.remote) + R"(,"method":)" + quoted(entry.method) + R"(,"route":)" +
               (entry.route.empty() ? "null" : quoted(entry.route)) + numbers.data() + database.data() +
               "}\n";
    if (buffer_.size() >= kFlushAt) flush();
}

void AccessLog::flush() {
    if (buffer_.empty()) return;
    write_all(STDOUT_FILENO, buffer_);
    buffer_.clear();
}

}  // namespace seqrec::sidecar
