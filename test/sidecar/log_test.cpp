// Two streams of JSON lines.
#include "log.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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

}  // namespace
}  // namespace seqrec::sidecar
