// Parameters, routes and JSON text: what needs no connection.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "api/json_text.hpp"
#include "http/parameters.hpp"
#include "http/problem.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {
namespace {

template <typename Call>
Problem problem_of(Call call) {
    try {
        call();
    } catch (const Problem& problem) {
        return problem;
    }
    ADD_FAILURE() << "no problem";
    return {0, "", ""};
}

TEST(PercentDecoding, ResolvesWhatIsWellEncoded) {
    EXPECT_EQ(percent_decoded("plain"), "plain");
    EXPECT_EQ(percent_decoded("a%2Fb%2f"), "a/b/");
    EXPECT_EQ(percent_decoded("%E4%B8%AD%F0%9F%98%80"), "中😀");
    EXPECT_EQ(percent_decoded("a+b"), "a+b");
    EXPECT_EQ(percent_decoded(""), "");
}

TEST(PercentDecoding, RefusesTheRest) {
    for (const std::string_view text :
         {"%", "%4", "%4g", "%g4", "% 41", "%+41", "%-1", "%00", "%ff", "%C0%80", "%ED%A0%80", "%F4%90%80%80",
          "%E4%B8", "%80", "%F5%80%80%80", "%E0%80%80", "%F0%80%80%80"})
        EXPECT_EQ(percent_decoded(text), std::nullopt) << text;
    EXPECT_EQ(percent_decoded(std::string_view("a\0b", 3)), std::nullopt);
    EXPECT_EQ(percent_decoded("\xff"), std::nullopt);
}

TEST(Query, KeepsOrderAndRepeats) {
    const auto parameters = parse_query("id=a&x=&id=b%20c&y&&z=1+2=3");
    EXPECT_EQ(parameters.size(), 5U);
    EXPECT_EQ(parameters.all("id"), (std::vector<std::string>{"a", "b c"}));
    EXPECT_EQ(*parameters.find("x"), "");
    EXPECT_EQ(*parameters.find("y"), "");
    EXPECT_EQ(*parameters.find("z"), "1 2=3");
    EXPECT_EQ(parameters.find("w"), nullptr);
    EXPECT_EQ(parse_query("").size(), 0U);
}

TEST(Query, IsBounded) {
    EXPECT_EQ(problem_of([] { parse_query("a=%"); }).kind, "malformed-request");
    EXPECT_EQ(problem_of([] { parse_query("%ff=a"); }).status, 400U);
    std::string many;
    for (std::size_t i = 0; i < kMaxParameters; ++i) many += "a&";
    EXPECT_EQ(parse_query(many).size(), kMaxParameters);
    EXPECT_EQ(problem_of([&] { parse_query(many + "a"); }).kind, "malformed-request");
}

class Routes : public ::testing::Test {
  protected:
    Routes() {
        for (const auto& [method, path] : {std::pair("GET", "/jobs"),
                                           {"GET", "/jobs/{job_id}"},
                                           {"POST", "/jobs/{job_id}/cancel"},
                                           {"POST", "/jobs"},
                                           {"GET", "/"}})
            router_.add({method, path, false, nullptr});
    }
    std::string found(std::string_view method, std::string_view path) const {
        return router_.find(method, path).route->path;
    }
    Router router_;
};

TEST_F(Routes, MatchPatterns) {
    EXPECT_EQ(found("GET", "/jobs"), "/jobs");
    EXPECT_EQ(found("HEAD", "/jobs"), "/jobs");
    EXPECT_EQ(found("GET", "/jobs/7"), "/jobs/{job_id}");
    EXPECT_EQ(found("POST", "/jobs/7/cancel"), "/jobs/{job_id}/cancel");
    EXPECT_EQ(found("GET", "/"), "/");
    EXPECT_EQ(*router_.find("GET", "/jobs/a%2Fb").parameters.find("job_id"), "a/b");
}

TEST_F(Routes, SayWhatIsNotThere) {
    for (const std::string_view path : {"", "jobs", "/job", "/jobs/", "/jobs//cancel", "/jobs/7/",
                                        "/jobs/7/cancel/x", "//jobs", "*", "/JOBS", "/%6Aobs"})
        EXPECT_EQ(problem_of([&] { router_.find("GET", path); }).kind, "unknown-path") << path;
    const auto wrong_method = problem_of([&] { router_.find("PUT", "/jobs"); });
    EXPECT_EQ(wrong_method.status, 405U);
    EXPECT_EQ(wrong_method.allow, "GET, HEAD, POST");
    EXPECT_EQ(problem_of([&] { router_.find("GET", "/jobs/%ff"); }).status, 400U);
}

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

TEST(JsonText, ReadsBackAsItWas) {
    for (const std::string text :
         {"", "plain", "quo\"te", "back\\slash", "tab\t", "中文", "😀", "\x7f", "</script>"}) {
        std::string json;
        append_json(json, std::string_view(text));
        EXPECT_EQ(nlohmann::json::parse(json), text);
    }
    std::string json;
    append_json(json, std::string_view("\xff"));
    EXPECT_EQ(nlohmann::json::parse(json), "\xef\xbf\xbd");
}

TEST(JsonText, WritesShortNumbers) {
    for (const float number : {0.0f, -0.25f, 0.1f, 1e-30f, 3.4e38f, 0.32214302f}) {
        std::string json;
        append_json(json, number);
        EXPECT_EQ(nlohmann::json::parse(json).get<float>(), number) << json;
        EXPECT_LE(json.size(), 15U);
    }
    std::string json;
    append_json(json, std::nanf(""));
    EXPECT_EQ(json, "null");
}

}  // namespace
}  // namespace seqrec::sidecar
