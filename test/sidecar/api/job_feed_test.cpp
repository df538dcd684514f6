// What followers of a job are told.
#include "api/job_feed.hpp"

#include <gtest/gtest.h>

#include "db/blocking_tasks.hpp"

namespace seqrec::sidecar {
namespace {

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
