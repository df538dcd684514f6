#include "log.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

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

enum class Kind { Socket, Pipe, Other };

Kind kind_of(int file) {
    struct stat status {};
    if (fstat(file, &status) != 0 || S_ISREG(status.st_mode)) return Kind::Other;
    return S_ISSOCK(status.st_mode) ? Kind::Socket : Kind::Pipe;  // a terminal, too, may be stopped
}

bool takes_more(int file) {
    pollfd wanted{file, POLLOUT, 0};
    return poll(&wanted, 1, 0) == 1;
}

/// What a pipe takes at once, so far as it is whole lines: another stream of the same pipe writes into no line's middle.
std::string_view piece_of(std::string_view text) {
    text = text.substr(0, PIPE_BUF);
    const std::size_t end = text.rfind('\n');
    return end == std::string_view::npos ? text : text.substr(0, end + 1);
}

/// One write that does not wait, although the stream, which others may share, blocks: a socket can be told so, and a pipe
/// that is ready takes PIPE_BUF bytes. What it could not do is -1 with EAGAIN.
ssize_t write_some(int file, Kind kind, std::string_view text) {
    if (kind == Kind::Socket) return send(file, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (kind == Kind::Other) return ::write(file, text.data(), text.size());
    if (takes_more(file)) return ::write(file, text.data(), piece_of(text).size());
    errno = EAGAIN;
    return -1;
}

constexpr std::size_t kEventsKept = 64 * 1024;

LogStream& events() {
    static LogStream stream(STDERR_FILENO, kEventsKept);
    return stream;
}

}  // namespace

void LogStream::add(std::string_view line) {
    if (lost_ > 0 || kept_.size() + line.size() > most_kept_)
        ++lost_;
    else
        kept_ += line;
}

void LogStream::flush() {
    const Kind kind = kind_of(file_);
    std::string_view left = kept_;
    while (!left.empty()) {
        const ssize_t written = write_some(file_, kind, left);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (written <= 0) left = {};  // the reader has gone: serving matters more than its log
        left.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    kept_.erase(0, kept_.size() - left.size());
    if (lost_ == 0 || kept_.size() > most_kept_ / 2) return;
    kept_ += R"({"at":")" + now_utc() +
             R"(","level":"warning","message":"lines of the log were lost: nobody read it","lost":)" +
             std::to_string(std::exchange(lost_, 0)) + "}\n";
    flush();
}

void log_event(std::string_view level, std::string_view message, std::string_view request_id) {
    std::string line = R"({"at":")" + now_utc() + R"(","level":)" + quoted(level);
    if (!request_id.empty()) line += R"(,"request_id":)" + quoted(request_id);
    line += R"(,"message":)" + quoted(message) + "}\n";
    events().add(line);
    flush_events();
}

void flush_events() { events().flush(); }

void AccessLog::write(const AccessEntry& entry) {
    if (!enabled_) return;
    std::array<char, 128> numbers{}, database{};
    std::snprintf(numbers.data(), numbers.size(), R"(,"status":%u,"bytes":%zu,"ms":%.3f)", entry.status,
                  entry.bytes, entry.took.count());
    if (entry.database)
        std::snprintf(database.data(), database.size(), R"(,"queue_ms":%.3f,"db_ms":%.3f)",
                      Milliseconds(entry.database->waited).count(),
                      Milliseconds(entry.database->answered).count());
    stream_.add(R"({"at":")" + now_utc() + R"(","request_id":)" + quoted(entry.request_id) + R"(,"remote":)" +
                quoted(entry.remote) + R"(,"method":)" + quoted(entry.method) + R"(,"route":)" +
                (entry.route.empty() ? "null" : quoted(entry.route)) + numbers.data() + database.data() +
                "}\n");
    if (stream_.size() >= kFlushAt) flush();
}

}  // namespace seqrec::sidecar
