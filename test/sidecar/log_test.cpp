// Two streams of JSON lines.
#include "log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

namespace seqrec::sidecar {
namespace {

using nlohmann::json;

AccessEntry entry() {
    return {.request_id = "r1",
            .remote = "10.0.0.1",
            .method = "POST",
            .route = "/recommend",
            .status = 200,
            .bytes = 12,
            .took = std::chrono::microseconds(1500),
            .database = {}};
}

std::string written(bool enabled, const AccessEntry& one) {
    ::testing::internal::CaptureStdout();
    AccessLog log(enabled);
    log.write(one);
    log.flush();
    log.flush();  // nothing is left
    return ::testing::internal::GetCapturedStdout();
}

TEST(AccessLog, IsALineOfJsonARequest) {
    const json line = json::parse(written(true, entry()));
    EXPECT_EQ(line.at("request_id"), "r1");
    EXPECT_EQ(line.at("route"), "/recommend");
    EXPECT_EQ(line.at("status"), 200);
    EXPECT_EQ(line.at("bytes"), 12);
    EXPECT_EQ(line.at("ms"), 1.5);
    EXPECT_FALSE(line.contains("db_ms"));
    EXPECT_TRUE(line.at("at").get<std::string>().ends_with("Z"));
    EXPECT_EQ(written(false, entry()), "");
}

TEST(AccessLog, SaysWhereADatabasesTimeWent) {
    AccessEntry asked = entry();
    asked.database = Timing{std::chrono::milliseconds(2), std::chrono::microseconds(250)};
    const json line = json::parse(written(true, asked));
    EXPECT_EQ(line.at("queue_ms"), 2);
    EXPECT_EQ(line.at("db_ms"), 0.25);
}

/// A path that is no route may hold somebody's id: it is not logged.
TEST(AccessLog, NamesNoPathThatIsNoRoute) {
    AccessEntry unknown = entry();
    unknown.route = {};
    EXPECT_TRUE(json::parse(written(true, unknown)).at("route").is_null());
}

TEST(AccessLog, WritesWhatIsFullWithoutBeingAsked) {
    ::testing::internal::CaptureStdout();
    {
        AccessLog log(true);
        for (int i = 0; i < 1000; ++i) log.write(entry());
    }
    EXPECT_GT(::testing::internal::GetCapturedStdout().size(), 65000U);
}

TEST(EventLog, IsValidJsonWhateverIsSaid) {
    ::testing::internal::CaptureStderr();
    log_event("error", "line\nbreak \"quoted\" \xff", "r\"7");
    log_event("warning", "no request");
    const std::string text = ::testing::internal::GetCapturedStderr();
    const auto end = text.find('\n');
    const json first = json::parse(text.substr(0, end)), second = json::parse(text.substr(end + 1));
    EXPECT_EQ(first.at("level"), "error");
    EXPECT_EQ(first.at("message"), "line\nbreak \"quoted\" \xef\xbf\xbd");
    EXPECT_EQ(first.at("request_id"), "r\"7");
    EXPECT_FALSE(second.contains("request_id"));
}

/// A standard stream that goes into a pipe, which is read when the test likes.
class Piped {
  public:
    explicit Piped(int stream) : stream_(stream), saved_(dup(stream)) {
        EXPECT_EQ(pipe(ends_), 0);
        dup2(ends_[1], stream);
        fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    }
    ~Piped() {
        dup2(saved_, stream_);
        for (const int file : {saved_, ends_[0], ends_[1]}) close(file);
    }

    std::string read_all() {
        std::string text;
        std::array<char, 4096> chunk;
        for (ssize_t size; (size = read(ends_[0], chunk.data(), chunk.size())) > 0;)
            text.append(chunk.data(), static_cast<std::size_t>(size));
        return text;
    }

  private:
    int stream_, saved_;
    int ends_[2];
};

/// Whether something comes to its end while nobody reads; if not, the pipe is read until it does.
template <typename Work>
bool ends_unread(Piped& pipe, Work work) {
    auto done = std::async(std::launch::async, work);
    const bool ended = done.wait_for(std::chrono::seconds(5)) == std::future_status::ready;
    while (done.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) pipe.read_all();
    return ended;
}

std::vector<json> lines_of(const std::string& text) {
    std::vector<json> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
    return lines;
}

/// Whoever reads the log may stop: requests go on, and the lines that there is no room for are counted.
TEST(AccessLog, WaitsForNobody) {
    Piped pipe(STDOUT_FILENO);
    AccessLog log(true);
    constexpr std::size_t kRequests = 50000;
    const auto write_all = [&log] {
        for (std::size_t i = 0; i < kRequests; ++i) log.write(entry());
        log.flush();
    };
    ASSERT_TRUE(ends_unread(pipe, write_all));
    std::string text;
    for (std::string part; !(part = pipe.read_all()).empty(); text += part) log.flush();
    log.write(entry());
    log.flush();
    text += pipe.read_all();
    std::size_t counted = 0, lost = 0;
    for (const auto& line : lines_of(text))
        line.contains("lost") ? lost += line.at("lost").get<std::size_t>() : ++counted;
    EXPECT_EQ(counted + lost, kRequests + 1);
    EXPECT_GT(lost, 0U);
    EXPECT_GT(counted, 1000U);
}

TEST(EventLog, WaitsForNobody) {
    Piped pipe(STDERR_FILENO);
    ASSERT_TRUE(ends_unread(pipe, [] {
        for (int i = 0; i < 50000; ++i) log_event("info", "something happened");
    }));
    std::string text;
    for (std::string part; !(part = pipe.read_all()).empty(); text += part) flush_events();
    EXPECT_GT(lines_of(text).size(), 100U);
    EXPECT_NE(text.find(R"("lost":)"), std::string::npos);
}

}  // namespace
}  // namespace seqrec::sidecar
