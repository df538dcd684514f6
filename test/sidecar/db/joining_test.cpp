// Queries laid end to end.
#include "db/joining.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/recommendation.hpp"
#include "db/arrays.hpp"

namespace seqrec::sidecar {
namespace {

using Strings = std::vector<std::string>;

TicketPtr ticket_of(const RecommendRequest& request) {
    auto ticket = std::make_shared<Ticket>();
    ticket->query = recommend_query(request);
    ticket->done = [](Outcome) {};
    return ticket;
}

RecommendRequest asked(const std::string& user, std::optional<Strings> clicks, int top_k = 10) {
    RecommendRequest request{{user, std::move(clicks)}, {}};
    request.wish.top_k = top_k;
    request.wish.model = "default";
    return request;
}

TEST(Joining, MakesOneQueryOfSeveral) {
    const std::vector<TicketPtr> members = {ticket_of(asked("u", Strings{"a", "b"})),
                                            ticket_of(asked("v", Strings{"b"})),
                                            ticket_of(asked("w", Strings{}))};
    ASSERT_TRUE(may_join(members[0]->query, members[1]->query));
    const auto group = join(members);
    BatchRequest batch{{{"u", Strings{"a", "b"}}, {"v", Strings{"b"}}, {"w", Strings{}}}, {}};
    batch.wish.model = "default";
    EXPECT_EQ(group->query.parameters, batch_query(batch).parameters);
    EXPECT_TRUE(group->is_live());
    for (const auto& member : members) member->finish(DatabaseError{});
    EXPECT_FALSE(group->is_live());
}

/// Contexts are each asker's own; who has none is asked with others who have none.
TEST(Joining, LaysContextsEndToEnd) {
    auto one = asked("u", Strings{"a"}), other = asked("v", Strings{});
    one.asker.context = R"({"device":"phone"})";
    other.asker.context = "{}";
    ASSERT_TRUE(may_join(recommend_query(one), recommend_query(other)));
    EXPECT_FALSE(may_join(recommend_query(one), recommend_query(asked("w", Strings{}))));
    const auto group = join(std::vector<TicketPtr>{ticket_of(one), ticket_of(other)});
    BatchRequest batch{{one.asker, other.asker}, one.wish};
    EXPECT_EQ(group->query.parameters, batch_query(batch).parameters);
    EXPECT_EQ(group->query.statement, batch_query(batch).statement);
    other.wish.min_probability = 0.5;
    EXPECT_FALSE(may_join(recommend_query(one), recommend_query(other)));
}

/// Each is asked for with its own number of items.
TEST(Joining, TakesEveryTopK) {
    const auto one = asked("u", Strings{"a"}, 10), other = asked("v", Strings{"b"}, 1000);
    ASSERT_TRUE(may_join(recommend_query(one), recommend_query(other)));
    const auto group = join(std::vector<TicketPtr>{ticket_of(one), ticket_of(other)});
    const std::vector<std::optional<std::int32_t>> wanted = {10, 1000};
    EXPECT_EQ(group->query.parameters[3].value, encode_array(wanted));
}

/// Those whose own rows are read are asked for together, within a time: who has none left is asked for again.
TEST(Joining, TakesThoseWithoutClicksTogether) {
    const auto one = recommend_query(asked("u", std::nullopt)),
               other = recommend_query(asked("v", std::nullopt, 5));
    ASSERT_TRUE(may_join(one, other));
    EXPECT_EQ(one.parameters.back().value, "50");
    EXPECT_GE(one.statement->answered, 0);
    BatchRequest batch{{{"u"}, {"v"}}, {}};
    EXPECT_EQ(batch_query(batch).parameters.back().value, std::nullopt);  // one client's own
}

/// Reasons are told of each; whose own rows are read for them is asked for alone, as there is no bound to that.
TEST(Joining, TakesThoseWhoWantReasons) {
    auto one = asked("u", Strings{"a"}, 5), other = asked("v", Strings{"b", "c"});
    one.wish.explain = other.wish.explain = true;
    ASSERT_TRUE(may_join(recommend_query(one), recommend_query(other)));
    const auto group = join(std::vector<TicketPtr>{ticket_of(one), ticket_of(other)});
    const std::vector<std::optional<std::int32_t>> counts = {1, 2}, ks = {5, 10};
    EXPECT_EQ(group->query.parameters[1].value, encode_array(counts));
    EXPECT_EQ(group->query.parameters[2].value, encode_array(Strings{"a", "b", "c"}));
    EXPECT_EQ(group->query.parameters[3].value, encode_array(ks));
    auto many = one;
    many.asker.recent_clicks = Strings(201, "a");
    EXPECT_FALSE(may_join(recommend_query(many), recommend_query(many)))
        << "five items with 201 clicks take long";
    other.language = "zh";
    EXPECT_FALSE(may_join(recommend_query(one), recommend_query(other)));
    other.asker.recent_clicks.reset();
    EXPECT_FALSE(may_join(recommend_query(other), recommend_query(other)));
}

TEST(Joining, KeepsApartWhatDiffers) {
    const auto plain = recommend_query(asked("u", Strings{"a"}));
    auto other = asked("u", Strings{"a"});
    other.wish.model = "second";
    EXPECT_FALSE(may_join(plain, recommend_query(other)));
    other = asked("u", Strings{"a"});
    other.wish.exclude = {"x"};
    EXPECT_FALSE(may_join(plain, recommend_query(other)));
    other = asked("u", Strings{"a"});
    other.wish.candidates = Strings{};
    EXPECT_FALSE(may_join(plain, recommend_query(other)));
    other = asked("u", Strings{"a"});
    other.wish.min_score = 0.1;
    EXPECT_FALSE(may_join(plain, recommend_query(other)));
    other = asked("u", Strings{"a"});
    other.wish.diversity = 0.2;
    EXPECT_FALSE(may_join(plain, recommend_query(other)));
    auto third = other;
    EXPECT_TRUE(may_join(recommend_query(third), recommend_query(other)));
    third.wish.diversity = 0.3;
    EXPECT_FALSE(may_join(recommend_query(third), recommend_query(other)));
    other = asked("u", Strings{"a"});
    other.wish.with_scores = true;  // the same question
    EXPECT_TRUE(may_join(plain, recommend_query(other)));
    other.wish.explain = true;
    EXPECT_FALSE(may_join(plain, recommend_query(other)));
    EXPECT_FALSE(may_join(plain, recommend_query(asked("v", std::nullopt))));  // it may take long
    BatchRequest batch{{{"u", Strings{"a"}}}, {}};
    batch.wish.model = "default";
    EXPECT_FALSE(may_join(plain, batch_query(batch)));
}

}  // namespace
}  // namespace seqrec::sidecar
