// The body of POST /events.
#include "api/events_request.hpp"

#include "problems.hpp"

namespace seqrec::sidecar {
namespace {

TEST(EventsRequest, TakesOneOrMany) {
    EXPECT_EQ(parse_events_request(R"({"user_id":1,"item_id":"a","timestamp":null})").dump(),
              R"([{"item_id":"a","user_id":"1"}])");
    EXPECT_EQ(parse_events_request(R"({"events":[{"user_id":"u","item_id":"a","timestamp":5}]})").dump(),
              R"([{"item_id":"a","timestamp":5,"user_id":"u"}])");
    EXPECT_THROW(parse_events_request(R"({"events":[]})"), Problem);
    EXPECT_THROW(parse_events_request(R"({"events":[{"user_id":"u"}]})"), Problem);
}

TEST(EventsRequest, NamesTheFieldAndTheEventThatIsWrong) {
    const auto field_of = [](const std::string& body) {
        return refused_field([&] { parse_events_request(body); });
    };
    EXPECT_EQ(field_of("{}"), "user_id");
    EXPECT_EQ(field_of(R"({"user_id":"u"})"), "item_id");
    EXPECT_EQ(field_of(R"({"user_id":"u","item_id":"a","rating":5})"), "rating");
    EXPECT_EQ(field_of(R"({"user_id":"u","item_id":1.5})"), "item_id");
    EXPECT_EQ(field_of(R"({"user_id":"u","item_id":"a","timestamp":true})"), "timestamp");
    EXPECT_EQ(field_of(R"({"events":[{"user_id":"u","item_id":"a"},{"user_id":"u"}]})"), "events[1].item_id");
    EXPECT_EQ(field_of(R"({"events":[7]})"), "events[0]");
    EXPECT_EQ(field_of(R"({"events":[{"user_id":"u","item_id":"a"}],"user_id":"u"})"), "user_id");
    EXPECT_EQ(field_of(R"({"events":{}})"), "events");
}

TEST(EventsRequest, IsBounded) {
    const auto body = [](std::size_t count) {
        std::string events;
        for (std::size_t i = 0; i < count; ++i)
            events += std::string(i ? "," : "") + R"({"user_id":1,"item_id":2})";
        return R"({"events":[)" + events + "]}";
    };
    EXPECT_EQ(parse_events_request(body(kMaxEvents)).size(), kMaxEvents);
    EXPECT_EQ(refused_field([&] { parse_events_request(body(kMaxEvents + 1)); }), "events");
    const auto at = [](const std::string& time) {
        return R"({"user_id":1,"item_id":2,"timestamp":")" + time + "\"}";
    };
    EXPECT_EQ(parse_events_request(at("2026-01-01")).at(0).at("timestamp"), "2026-01-01");
    EXPECT_EQ(refused_field([&] { parse_events_request(at(std::string(65, '1'))); }), "timestamp");
}

TEST(IdempotencyKey, IsNoneOnlyWithoutTheHeader) {
    const auto key_of = [](const std::string& value) {
        Request request;
        request.headers = {{"Accept", "*/*"}, {"idempotency-key", value}};
        return idempotency_key(request);
    };
    EXPECT_EQ(idempotency_key({}), std::nullopt);
    for (const std::string& good : {std::string("order 7"), std::string(255, 'x')})
        EXPECT_EQ(key_of(good), good);
    for (const std::string& bad :
         {std::string(), std::string(256, 'x'), std::string("a\tb"), std::string("\xc3\xa4")})
        EXPECT_EQ(refused_field([&] { (void)key_of(bad); }), "Idempotency-Key") << bad;
}

}  // namespace
}  // namespace seqrec::sidecar
