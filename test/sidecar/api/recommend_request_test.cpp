// The bodies of POST /recommend and POST /recommend/batch.
#include "api/recommend_request.hpp"

#include <nlohmann/json.hpp>

#include "problems.hpp"

namespace seqrec::sidecar {
namespace {

using Strings = std::vector<std::string>;

RecommendRequest parse(const std::string& body) { return parse_recommend_request(body, "shop"); }
std::string field_of(const std::string& body) {
    return refused_field([&] { parse(body); });
}

TEST(RecommendRequest, HasDefaults) {
    const auto [asker, wish, language] = parse(R"({"user_id":7})");
    EXPECT_EQ(asker.user_id, "7");
    EXPECT_FALSE(asker.recent_clicks);
    EXPECT_EQ(wish.top_k, 10);
    EXPECT_EQ(wish.model, "shop");
    EXPECT_TRUE(wish.exclude.empty());
    EXPECT_FALSE(wish.exclude_seen);
    EXPECT_FALSE(wish.candidates);
    EXPECT_FALSE(wish.min_score || wish.min_probability || wish.diversity || asker.context);
    EXPECT_FALSE(wish.with_scores || wish.explain || language);
}

TEST(RecommendRequest, TakesEveryField) {
    const auto [asker, wish, language] = parse(
        R"({"user_id":"u","recent_clicks":["a",2],"top_k":1000,"model":"m","exclude_item_ids":["x"],"exclude_seen":false,
            "candidate_item_ids":[],"min_score":-3.5,"min_probability":0.25,"diversity":0.5,"context":{"device":"phone","n":[1]},"with_scores":true,"explain":true,"language":"zh-CN"})");
    EXPECT_EQ(asker.recent_clicks, (Strings{"a", "2"}));
    EXPECT_EQ(wish.top_k, 1000);
    EXPECT_EQ(wish.model, "m");
    EXPECT_EQ(wish.exclude, Strings{"x"});
    EXPECT_EQ(wish.exclude_seen, false);
    EXPECT_EQ(wish.candidates, Strings{});  // none is allowed, which is not the same as no list
    EXPECT_EQ(wish.min_score, -3.5);
    EXPECT_EQ(wish.min_probability, 0.25);
    EXPECT_EQ(wish.diversity, 0.5);
    EXPECT_EQ(asker.context, R"({"device":"phone","n":[1]})");
    EXPECT_TRUE(wish.with_scores && wish.explain);
    EXPECT_EQ(language, "zh-CN");
}

/// No list of clicks is the user's own history; an empty one is no click at all.
TEST(RecommendRequest, TellsNoneFromEmpty) {
    EXPECT_FALSE(parse(R"({"user_id":"u","recent_clicks":null})").asker.recent_clicks);
    EXPECT_EQ(parse(R"({"user_id":"u","recent_clicks":[]})").asker.recent_clicks, Strings{});
    EXPECT_FALSE(parse(R"({"user_id":"u","exclude_seen":null})").wish.exclude_seen);
    EXPECT_FALSE(parse(R"({"user_id":"u","context":null})").asker.context);
    EXPECT_EQ(parse(R"({"user_id":"u","context":{}})").asker.context, "{}");
    EXPECT_FALSE(parse(R"({"user_id":"u","candidate_item_ids":null})").wish.candidates);
    EXPECT_TRUE(parse(R"({"user_id":"u","exclude_item_ids":null})").wish.exclude.empty());
}

TEST(RecommendRequest, BoundsAContext) {
    const auto body = [](const nlohmann::json& context) {
        return nlohmann::json{{"user_id", "u"}, {"context", context}}.dump();
    };
    nlohmann::json keys = nlohmann::json::object();
    for (std::size_t i = 0; i < kMaxContextKeys; ++i) keys[std::to_string(i)] = i;
    EXPECT_NO_THROW(parse(body(keys)));
    keys["more"] = 1;
    EXPECT_EQ(field_of(body(keys)), "context");
    EXPECT_NO_THROW(parse(body({{"a", std::string(kMaxContextBytes - 8, 'x')}})));
    EXPECT_EQ(field_of(body({{"a", std::string(kMaxContextBytes - 7, 'x')}})), "context");
    EXPECT_EQ(field_of(R"({"user_id":"u","context":{"a":1,"a":2}})"), "a");
}

TEST(RecommendRequest, NamesTheFieldThatIsWrong) {
    EXPECT_EQ(field_of("{}"), "user_id");
    EXPECT_EQ(field_of(R"({"user_id":null})"), "user_id");
    for (const char* field : {R"("top_k":0)",
                              R"("top_k":1001)",
                              R"("top_k":"10")",
                              R"("top_k":null)",
                              R"("model":"")",
                              R"("recent_clicks":"a")",
                              R"("exclude_seen":"no")",
                              R"("min_score":"0")",
                              R"("min_score":1e300)",
                              R"("min_probability":1.01)",
                              R"("min_probability":-0.1)",
                              R"("min_probability":"0")",
                              R"("diversity":1.01)",
                              R"("diversity":-0.1)",
                              R"("diversity":"0")",
                              R"("diversity":null)",
                              R"("context":[])",
                              R"("context":"{}")",
                              R"("with_scores":1)",
                              R"("explain":null)",
                              R"("topk":5)",
                              R"("requests":[])"}) {
        const std::string name = std::string(field).substr(1, std::string(field).find('"', 1) - 1);
        EXPECT_EQ(field_of(std::string(R"({"user_id":"u",)") + field + "}"), name);
    }
    EXPECT_EQ(field_of(R"({"user_id":"u","exclude_item_ids":["a",""]})"), "exclude_item_ids[1]");
}

std::string list_of(std::size_t count, const char* element) {
    std::string list = "[";
    for (std::size_t i = 0; i < count; ++i) list += std::string(i ? "," : "") + element;
    return list + "]";
}

TEST(RecommendRequest, IsBounded) {
    const auto with = [](const char* name, std::size_t count) {
        return std::string(R"({"user_id":"u",")") + name + "\":" + list_of(count, "1") + "}";
    };
    EXPECT_EQ(parse(with("recent_clicks", kMaxClicks)).asker.recent_clicks->size(), kMaxClicks);
    EXPECT_EQ(field_of(with("recent_clicks", kMaxClicks + 1)), "recent_clicks");
    EXPECT_EQ(parse(with("exclude_item_ids", kMaxItems)).wish.exclude.size(), kMaxItems);
    EXPECT_EQ(field_of(with("exclude_item_ids", kMaxItems + 1)), "exclude_item_ids");
    EXPECT_EQ(field_of(with("candidate_item_ids", kMaxItems + 1)), "candidate_item_ids");
}

TEST(BatchRequest, HasOneWishForAllAskers) {
    const auto batch = parse_batch_request(
        R"({"requests":[{"user_id":"u"},{"user_id":2,"recent_clicks":["a"]}],"top_k":3,"exclude_seen":true,"diversity":0.5})",
        "shop");
    ASSERT_EQ(batch.askers.size(), 2U);
    EXPECT_FALSE(batch.askers[0].recent_clicks);
    EXPECT_EQ(batch.askers[1].user_id, "2");
    EXPECT_EQ(batch.askers[1].recent_clicks, Strings{"a"});
    EXPECT_EQ(batch.wish.top_k, 3);
    EXPECT_EQ(batch.wish.exclude_seen, true);
    EXPECT_EQ(batch.wish.diversity, 0.5);
    EXPECT_EQ(batch.wish.model, "shop");
    EXPECT_TRUE(parse_batch_request(R"({"requests":[]})", "shop").askers.empty());
}

TEST(BatchRequest, NamesTheAskerThatIsWrong) {
    const auto field = [](const std::string& body) {
        return refused_field([&] { parse_batch_request(body, "shop"); });
    };
    EXPECT_EQ(field("{}"), "requests");
    EXPECT_EQ(field(R"({"requests":{}})"), "requests");
    EXPECT_EQ(field(R"({"requests":["u"]})"), "requests[0]");
    EXPECT_EQ(field(R"({"requests":[{"user_id":"u"},{}]})"), "requests[1].user_id");
    EXPECT_EQ(field(R"({"requests":[{"user_id":"u","top_k":3}]})"), "requests[0].top_k");
    EXPECT_EQ(field(R"({"requests":[{"user_id":"u","recent_clicks":["a",{}]}]})"),
              "requests[0].recent_clicks[1]");
    EXPECT_EQ(field(R"({"requests":[],"explain":true})"), "explain");
    EXPECT_EQ(field(R"({"requests":)" + list_of(kMaxAskers + 1, R"({"user_id":1})") + "}"), "requests");
}

}  // namespace
}  // namespace seqrec::sidecar
