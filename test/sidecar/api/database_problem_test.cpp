// What a client is told of a failed query, and what it is not.
#include "api/database_problem.hpp"

#include <gtest/gtest.h>

namespace seqrec::sidecar {
namespace {

DatabaseError refused(const char* sqlstate) {
    DatabaseError error;
    error.sqlstate = sqlstate;
    error.message = "the server's own words";
    return error;
}

Problem quietly(const DatabaseError& error, std::span<const Rule> own = {}) {
    ::testing::internal::CaptureStderr();
    Problem problem = to_problem(error, "r1", own);
    ::testing::internal::GetCapturedStderr();
    return problem;
}

TEST(DatabaseProblem, StatusByState) {
    struct Row {
        const char* sqlstate;
        unsigned status;
        const char* kind;
        bool told;  // whether the server's words reach the client
    };
    constexpr Row kRows[] = {
        {"57014", 504, "deadline-exceeded", false},
        {"42704", 404, "unknown-model", true},
        {"42883", 503, "not-installed", false},
        {"42P01", 503, "not-installed", false},
        {"3F000", 503, "not-installed", false},
        {"42501", 403, "forbidden", false},
        {"22023", 400, "refused-by-database", true},
        {"P0001", 400, "refused-by-database", true},
        {"08006", 503, "database-unavailable", false},
        {"28P01", 503, "database-unavailable", false},
        {"40001", 503, "database-unavailable", false},
        {"53300", 503, "database-unavailable", false},
        {"57P03", 503, "database-unavailable", false},
        {"XX001", 500, "database-error", false},
        {"", 500, "database-error", false},
    };
    for (const Row& row : kRows) {
        const Problem problem = quietly(refused(row.sqlstate));
        EXPECT_EQ(problem.status, row.status) << row.sqlstate;
        EXPECT_EQ(problem.kind, row.kind) << row.sqlstate;
        EXPECT_EQ(problem.sqlstate, row.sqlstate);
        EXPECT_EQ(problem.detail == "the server's own words", row.told) << row.sqlstate;
        EXPECT_EQ(problem.retry_after.count() > 0, row.status == 503) << row.sqlstate;
    }
}

TEST(DatabaseProblem, ASentenceSaysWhatToDo) {
    const std::string missing = sentence_of(refused("3F000"));
    for (const char* part : {"no seqrec functions", "SQLSTATE 3F000", "CREATE EXTENSION seqrec"})
        EXPECT_NE(missing.find(part), std::string::npos) << missing;
    const std::string own = sentence_of(refused("22023"));
    EXPECT_EQ(own, "the database refused to answer (SQLSTATE 22023)") << "its words are the log's";
    DatabaseError gone = refused("");
    gone.kind = DatabaseError::Kind::Unavailable;
    EXPECT_EQ(sentence_of(gone), "the database is unreachable");
}

/// What clients must not read goes to the log, under the id that the client has.
TEST(DatabaseProblem, TheLogHasWhatTheClientIsNotTold) {
    ::testing::internal::CaptureStderr();
    to_problem(refused("XX001"), "request-7");
    const std::string log = ::testing::internal::GetCapturedStderr();
    for (const char* part : {"XX001", "the server's own words", "request-7"})
        EXPECT_NE(log.find(part), std::string::npos) << log;
    ::testing::internal::CaptureStderr();
    to_problem(refused("22023"), "request-8");
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(DatabaseProblem, ARouteHasRulesOfItsOwn) {
    constexpr Rule kOwn[] = {{"42704", 404, "unknown-job", ""}, {"22", 409, "conflict", "not now", "Wait."}};
    EXPECT_EQ(quietly(refused("42704"), kOwn).kind, "unknown-job");
    const Problem conflict = quietly(refused("22023"), kOwn);
    EXPECT_EQ(conflict.status, 409U);
    EXPECT_EQ(conflict.detail, "not now");
    EXPECT_EQ(conflict.hint, "Wait.");
    EXPECT_EQ(quietly(refused("57014"), kOwn).status, 504U) << "the rest is as everywhere";
}

/// Of a schema that the request names a route speaks; without seqrec's own there is nothing to be asked.
TEST(DatabaseProblem, TheSchemaThatIsMissingMayBeSeqrecs) {
    constexpr Rule kOwn[] = {{"3F000", 400, "refused-by-database", ""}};
    for (const auto& [message, kind] :
         {std::pair("schema \"seqrec\" does not exist", "not-installed"),
          std::pair("Schema »seqrec« existiert nicht", "not-installed"),
          std::pair("schema \"seqrec_old\" does not exist", "refused-by-database"),
          std::pair("schema \"myseqrec\" does not exist", "refused-by-database"),
          std::pair("schema \"shop\" does not exist", "refused-by-database")}) {
        DatabaseError error = refused("3F000");
        error.message = message;
        EXPECT_EQ(quietly(error, kOwn).kind, kind) << message;
    }
}

TEST(DatabaseProblem, TheServersHintComesBeforeOurs) {
    DatabaseError error = refused("42501");
    EXPECT_NE(quietly(error).hint.find("docs/operations.md"), std::string::npos);
    error.hint = "GRANT it.";
    EXPECT_EQ(quietly(error).hint, "GRANT it.");
}

TEST(DatabaseProblem, WithoutAServerThereIsNoState) {
    using Kind = DatabaseError::Kind;
    DatabaseError error;
    error.retry_after = std::chrono::seconds(4);
    for (const auto& [kind, status, name] : {std::tuple(Kind::Unavailable, 503U, "database-unavailable"),
                                             {Kind::QueueFull, 503U, "overloaded"},
                                             {Kind::Deadline, 504U, "deadline-exceeded"}}) {
        error.kind = kind;
        const Problem problem = quietly(error);
        EXPECT_EQ(problem.status, status);
        EXPECT_EQ(problem.kind, name);
        EXPECT_EQ(problem.retry_after.count(), kind == Kind::Deadline ? 0 : 4);
    }
}

}  // namespace
}  // namespace seqrec::sidecar
