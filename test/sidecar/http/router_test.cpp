// Which route a path finds, and what is said of one that finds none.
#include "http/router.hpp"

#include "problems.hpp"

namespace seqrec::sidecar {
namespace {

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
    EXPECT_EQ(router_.methods("/jobs"), "GET, HEAD, POST");
    EXPECT_EQ(problem_of([&] { router_.methods("/nowhere"); }).kind, "unknown-path");
    EXPECT_EQ(problem_of([&] { router_.find("GET", "/jobs/%ff"); }).status, 400U);
}

}  // namespace
}  // namespace seqrec::sidecar
