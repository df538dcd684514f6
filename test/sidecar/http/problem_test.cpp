// Problems as clients see them.
#include "http/problem.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace seqrec::sidecar {
namespace {

TEST(Problems, AreTheSameInsideAnAnswer) {
    Problem problem(422, "history-unavailable", "no \"rows\"");
    problem.sqlstate = "42501";
    const auto whole = nlohmann::json::parse(to_response(problem, "r1").body);
    auto inside = nlohmann::json::parse(to_json(problem).dump());
    EXPECT_FALSE(inside.contains("request_id"));
    inside["request_id"] = "r1";
    EXPECT_EQ(inside, whole);
    EXPECT_EQ(whole["title"], "History unavailable");
    EXPECT_FALSE(whole.contains("hint"));
}

TEST(Problems, HaveATitleOfTheirKindAndOnlyTheMembersThatSaySomething) {
    const auto members = nlohmann::json::parse(to_json(Problem(413, "body-too-large", "too much")).dump());
    EXPECT_EQ(members, (nlohmann::json{{"type", "urn:seqrec:problem:body-too-large"},
                                       {"title", "Body too large"},
                                       {"status", 413},
                                       {"detail", "too much"}}));
}

/// Header names and values as they would be sent.
std::string header_of(const Problem& problem, const std::string& wanted) {
    for (const auto& [name, value] : to_response(problem, "r").headers)
        if (name == wanted) return value;
    return "";
}

TEST(Problems, BringTheHeadersOfTheirStatus) {
    Problem busy(503, "overloaded", "later");
    busy.retry_after = std::chrono::seconds(3);
    EXPECT_EQ(header_of(busy, "Retry-After"), "3");
    EXPECT_EQ(header_of(Problem(503, "database-error", ""), "Retry-After"), "");
    EXPECT_EQ(header_of(Problem(401, "unauthorized", ""), "WWW-Authenticate"), "Bearer");
    EXPECT_EQ(header_of(Problem(403, "admin-only", ""), "WWW-Authenticate"), "");
    Problem method(405, "method-not-allowed", "");
    method.allow = "GET, HEAD";
    EXPECT_EQ(header_of(method, "Allow"), "GET, HEAD");
    EXPECT_EQ(to_response(busy, "r").content_type, "application/problem+json");
}

TEST(Problems, AreJsonWhateverTheDatabaseSaid) {
    const auto body = to_response(Problem(400, "refused-by-database", "bad \xff \"id\""), "r").body;
    EXPECT_EQ(nlohmann::json::parse(body).at("detail"), "bad \xef\xbf\xbd \"id\"");
}

}  // namespace
}  // namespace seqrec::sidecar
