// Tokens, counters, requests of operators, and what followers of a job are told.
#include <gtest/gtest.h>

#include "api/events_request.hpp"
#include "api/job_feed.hpp"
#include "api/train_request.hpp"
#include "db/blocking_tasks.hpp"
#include "exposition.hpp"
#include "http/gate.hpp"
#include "metrics.hpp"

namespace seqrec::sidecar {
namespace {

constexpr const char* kRead = "read-token-0123456789";
constexpr const char* kAdmin = "admin-token-0123456789";

unsigned status(const Gate& gate, Access access, const std::string& token) {
    const auto refusal = gate.refusal(access, token.empty() ? "" : "Bearer " + token);
    return refusal ? refusal->status : 200;
}

TEST(Gate, ComparesWholeTexts) {
    EXPECT_TRUE(same_in_constant_time("abc", "abc"));
    for (const char* other : {"", "a", "ab", "abd", "Abc", "abca", "abcabc"})
        EXPECT_FALSE(same_in_constant_time("abc", other)) << other;
    EXPECT_FALSE(same_in_constant_time("", "")) << "a token that is not set fits nothing";
    EXPECT_FALSE(same_in_constant_time("aa", "aaaa"));
}

TEST(Gate, LetsInWhoMay) {
    struct Row {
        const char *read, *admin;
        Access access;
        unsigned nobody, stranger, reader, administrator;
    };
    constexpr Row kRows[] = {
        {"", "", Access::Open, 200, 200, 200, 200},
        {"", "", Access::Read, 200, 200, 200, 200},
        {"", "", Access::Write, 200, 200, 200, 200},
        {"", "", Access::Admin, 404, 404, 404, 404},
        {kRead, "", Access::Open, 200, 200, 200, 200},
        {kRead, "", Access::Read, 401, 401, 200, 401},
        {kRead, "", Access::Write, 401, 401, 200, 401},
        {kRead, "", Access::Admin, 404, 404, 404, 404},
        {"", kAdmin, Access::Read, 200, 200, 200, 200},
        {"", kAdmin, Access::Write, 401, 401, 401, 200},
        {"", kAdmin, Access::Admin, 401, 401, 401, 200},
        {kRead, kAdmin, Access::Read, 401, 401, 200, 200},
        {kRead, kAdmin, Access::Write, 401, 401, 200, 200},
        {kRead, kAdmin, Access::Admin, 401, 401, 403, 200},
    };
    for (const auto& row : kRows) {
        const Gate gate(row.read, row.admin);
        const auto where =
            std::string(row.read) + "/" + row.admin + "/" + std::to_string(static_cast<int>(row.access));
        EXPECT_EQ(status(gate, row.access, ""), row.nobody) << where;
        EXPECT_EQ(status(gate, row.access, "some-other-token"), row.stranger) << where;
        EXPECT_EQ(status(gate, row.access, kRead), row.reader) << where;
        EXPECT_EQ(status(gate, row.access, kAdmin), row.administrator) << where;
    }
}

TEST(Histogram, CountsWhatIsAtMostItsBound) {
    constexpr double kBounds[] = {1, 2};
    Histogram histogram(kBounds);
    for (const double value : {0.5, 1.0, 1.5, 2.0, 3.0}) histogram.record(value);
    EXPECT_EQ(std::vector(histogram.counts().begin(), histogram.counts().end()),
              (std::vector<std::uint64_t>{2, 2, 1}));
    EXPECT_DOUBLE_EQ(histogram.sum(), 8);
}

TEST(Exposition, WritesWhatPrometheusReads) {
    constexpr double kBounds[] = {0.5, 1};
    Histogram histogram(kBounds);
    histogram.record(0.7);
    histogram.record(7);
    Exposition out;
    out.single("one", "gauge", "Help.", 3);
    out.family("many", "histogram", "More.");
    out.sample(histogram, {{"name", "a\"b\\c\nd"}});
    EXPECT_EQ(out.text(),
              "# HELP one Help.\n# TYPE one gauge\none 3\n# HELP many More.\n# TYPE many histogram\n"
              "many_bucket{name=\"a\\\"b\\\\c\\nd\",le=\"0.5\"} "
              "0\nmany_bucket{name=\"a\\\"b\\\\c\\nd\",le=\"1\"} 1\n"
              "many_bucket{name=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 2\nmany_sum{name=\"a\\\"b\\\\c\\nd\"} 7.7\n"
              "many_count{name=\"a\\\"b\\\\c\\nd\"} 2\n");
}

TEST(Metrics, KeepsRoutesApart) {
    Metrics metrics;
    const Route one{"GET", "/one", false, {}}, two{"GET", "/two", false, {}};
    for (const unsigned code : {200, 200, 503, 204})
        metrics.record_request(&one, code, std::chrono::milliseconds(2));
    metrics.record_request(&two, 200, std::chrono::milliseconds(2));
    metrics.record_request(nullptr, 404, std::chrono::milliseconds(2));
    ASSERT_EQ(metrics.requests().size(), 3U);
    const auto& counts = metrics.requests().front();
    EXPECT_EQ(counts.by_status,
              (std::vector<std::pair<unsigned, std::uint64_t>>{{200, 2}, {503, 1}, {204, 1}}));
    EXPECT_EQ(counts.seconds_by_class[2]->counts()[2], 3U);  // up to 2.5 ms
    EXPECT_FALSE(counts.seconds_by_class[4]);
}

TEST(TrainRequest, HasTheDefaultsOfSql) {
    const auto request = parse_train_request(R"({"ratings":"r","options":{"dim":8}})", "shop");
    EXPECT_EQ(request.model, "shop");
    EXPECT_EQ(request.kind, "transformer");
    EXPECT_EQ(request.user_column + request.item_column + request.time_column, "user_iditem_idtimestamp");
    EXPECT_EQ(request.options, R"({"dim":8})");
    EXPECT_EQ(request.if_running, "error");
}

TEST(EventsRequest, TakesOneOrMany) {
    EXPECT_EQ(parse_events_request(R"({"user_id":1,"item_id":"a","timestamp":null})").dump(),
              R"([{"item_id":"a","user_id":"1"}])");
    EXPECT_EQ(parse_events_request(R"({"events":[{"user_id":"u","item_id":"a","timestamp":5}]})").dump(),
              R"([{"item_id":"a","timestamp":5,"user_id":"u"}])");
    EXPECT_THROW(parse_events_request(R"({"events":[]})"), Problem);
    EXPECT_THROW(parse_events_request(R"({"events":[{"user_id":"u"}]})"), Problem);
}

/// Rows as the database sends them: epoch, JSON, state.
Rows rows_of(const std::vector<std::array<std::string, 3>>& rows) {
    PGresult* result = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
    std::array<PGresAttDesc, 3> columns{};
    char name[] = "c";
    for (auto& column : columns) column.name = name;
    PQsetResultAttrs(result, 3, columns.data());
    for (std::size_t row = 0; row < rows.size(); ++row)
        for (std::size_t column = 0; column < 3; ++column) {
            auto text = rows[row][column];
            PQsetvalue(result, static_cast<int>(row), static_cast<int>(column), text.data(),
                       static_cast<int>(text.size()));
        }
    return Rows(result);
}

struct JobFeedTest : testing::Test {
    boost::asio::io_context loop;
    BlockingTasks tasks{loop};
    Pool pool{loop, tasks, {}};
    JobFeed feed{pool, 7};
};

TEST_F(JobFeedTest, TellsEachFollowerWhatIsNewToIt) {
    FeedPlace first, second;
    EXPECT_FALSE(feed.is_known());
    feed.accept(rows_of({{"", R"({"p":1})", "training"}, {"1", R"({"e":1})", ""}, {"2", R"({"e":2})", ""}}));
    EXPECT_EQ(feed.news(first),
              "event: epoch\nid: 1\ndata: {\"e\":1}\n\nevent: epoch\nid: 2\ndata: {\"e\":2}\n\nevent: "
              "job\ndata: {\"p\":1}\n\n");
    EXPECT_EQ(feed.news(first), "");
    second.epoch = 1;  // as Last-Event-ID says
    EXPECT_EQ(feed.news(second), "event: epoch\nid: 2\ndata: {\"e\":2}\n\nevent: job\ndata: {\"p\":1}\n\n");
    EXPECT_EQ(feed.next_look().parameters[1].value, "2") << "epochs are asked for once";
    feed.accept(rows_of({{"", R"({"p":1})", "training"}, {"2", R"({"e":2})", ""}}));
    EXPECT_EQ(feed.news(first), "") << "nothing changed";
    feed.accept(rows_of({{"", R"({"p":2})", "done"}}));
    EXPECT_EQ(feed.news(first), "event: job\ndata: {\"p\":2}\n\nevent: end\ndata: {}\n\n");
    EXPECT_TRUE(first.at_end);
}

TEST_F(JobFeedTest, EndsWithAJobThatIsGone) {
    feed.accept(rows_of({}));
    EXPECT_FALSE(feed.is_known());
    feed.accept(rows_of({{"", "{}", "training"}}));
    feed.accept(rows_of({}));
    FeedPlace place;
    feed.news(place);
    EXPECT_TRUE(place.at_end);
}

TEST_F(JobFeedTest, CountsFollowers) {
    JobFeeds feeds(pool);
    EXPECT_EQ(feeds.of(1), feeds.of(1)) << "while somebody holds it";
    auto one = feeds.follower(2), two = feeds.follower(2);
    EXPECT_TRUE(one && two);
    EXPECT_FALSE(feeds.follower(2));
    one.reset();
    EXPECT_TRUE(feeds.follower(2));
}

}  // namespace
}  // namespace seqrec::sidecar
