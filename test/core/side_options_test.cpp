#include "core/side_options.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "core/kinds/kind.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using testing::error_of;

/// Of a kind that needs all three (test/fixtures/).
json resolve_sided(const char* given) { return resolve_options("category_popularity", json::parse(given)); }

std::string side_refusal(const char* given) {
    std::string message;
    EXPECT_EQ(error_of([&] { resolve_sided(given); }, &message), sqlstate::kInvalidParameter) << given;
    return message;
}

TEST(SideOptions, ComeWithTheNeedsOfAKind) {
    const json options = resolve_sided("{}");
    EXPECT_TRUE(options.at("item_id_column").is_null());
    for (const char* name : {"item_features", "user_id_column", "user_features", "context", "label",
                             "event_weights", "event_column"}) {
        EXPECT_TRUE(options.at(name).is_null()) << name;
        EXPECT_FALSE(resolve_options("vae", json::object()).contains(name)) << name;
    }
    EXPECT_EQ(error_of([] {
                  resolve_options("transformer", {{"label", "stars"}});
              }),
              sqlstate::kInvalidParameter);
    const auto specs = side_options({.items = true});
    EXPECT_EQ(specs.size(), 2U);
    EXPECT_EQ(specs[0].name, "item_id_column");
    EXPECT_TRUE(side_options({}).empty());
}

TEST(SideOptions, OfWordsComeWithKindsThatReadThem) {
    const json options = resolve_options("transformer", json::object());
    EXPECT_TRUE(options.at("item_text").is_null());
    EXPECT_TRUE(options.at("item_vector").is_null());
    EXPECT_TRUE(options.at("item_id_column").is_null());
    EXPECT_DOUBLE_EQ(options.at("cold_share").get<double>(), 0.05);
    EXPECT_FALSE(options.contains("item_features"));
    EXPECT_FALSE(resolve_sided("{}").contains("item_text"));
    const auto specs = side_options({.items = true, .text = true});
    const auto ids = [](const OptionSpec& spec) { return spec.name == "item_id_column"; };
    EXPECT_EQ(std::ranges::count_if(specs, ids), 1);
    EXPECT_EQ(specs.size(), 5U);
}

TEST(SideOptions, OfWordsRefuseOtherForms) {
    const auto refused = [](const json& given) {
        std::string message;
        EXPECT_EQ(error_of([&] { resolve_options("transformer", given); }, &message),
                  sqlstate::kInvalidParameter)
            << given;
        return message;
    };
    EXPECT_NE(refused({{"item_text", "title"}}).find(R"({"item_text": ["title", "description"]})"),
              std::string::npos);
    refused({{"item_text", {"title", "title"}}});
    refused({{"item_text", {""}}});
    refused({{"item_vector", 3}});
    refused({{"cold_share", 0.51}});
    refused({{"cold_share", -0.01}});
    json many = json::array();
    for (std::size_t i = 0; i <= kMostColumns; ++i) many.push_back(std::to_string(i));
    EXPECT_NE(refused({{"item_text", many}}).find("at most 100"), std::string::npos);
    many.erase(0);
    EXPECT_EQ(resolve_options("transformer", {{"item_text", many}}).at("item_text").size(), kMostColumns);
    EXPECT_EQ(resolve_options("transformer", {{"cold_share", 0}}).at("cold_share"), 0);
}

TEST(SideOptions, OfMomentsComeWithKindsThatReadThem) {
    const json options = resolve_options("transformer", json::object());
    for (const char* name : {"context", "event_weights", "event_column", "exclude_events"})
        EXPECT_TRUE(options.at(name).is_null()) << name;
    EXPECT_EQ(options.at("context_use"), "auto");
    EXPECT_FALSE(options.contains("label")) << "what is learnt is what comes next";
    const json given = {{"event_column", "event"}, {"exclude_events", {"dislike"}}};
    EXPECT_EQ(resolve_options("transformer", given).at("exclude_events"), (json{"dislike"}));
    for (const json& events : {json("dislike"), json::array(), json{1}, json{"a", "a"}, json::object()})
        EXPECT_EQ(error_of([&] {
                      resolve_options("transformer", {{"event_column", "event"}, {"exclude_events", events}});
                  }),
                  sqlstate::kInvalidParameter)
            << events;
    EXPECT_EQ(error_of([] {
                  resolve_options("transformer", {{"context_use", "some"}});
              }),
              sqlstate::kInvalidParameter);
    EXPECT_EQ(resolve_sided(R"({"event_column": "event", "event_weights": {"dislike": -1}})")
                  .at("event_weights")
                  .at("dislike"),
              -1);
}

TEST(SideOptions, TakeWhatTheyMean) {
    const char* given = R"({"item_features": [], "user_features": ["age"], "context": ["channel", "event"],
        "label": "stars", "event_weights": {"view": 0, "buy": 2.5}, "event_column": "event"})";
    EXPECT_EQ(resolve_sided(given).at("event_weights").at("buy"), 2.5);
    EXPECT_EQ(resolve_sided(resolve_sided(given).dump().c_str()), resolve_sided(given));
}

TEST(SideOptions, RefuseOtherForms) {
    for (const char* list : {"item_features", "user_features", "context"}) {
        const std::string name = std::string("{\"") + list + "\": ";
        for (const char* value : {"\"price\"", "{}", "1", "[1]", "[\"\"]", "[\"a\", \"a\"]"})
            EXPECT_NE(side_refusal((name + value + "}").c_str()).find(list), std::string::npos) << value;
    }
    for (const char* value : {"[]", "{}", "1", R"({"buy": "2"})", R"({"buy": -1e7})", R"({"buy": 1e7})"})
        side_refusal((std::string(R"({"event_column": "event", "event_weights": )") + value + "}").c_str());
    EXPECT_NE(side_refusal(R"({"event_column": "event"})").find("event_weights"), std::string::npos);
    EXPECT_NE(side_refusal(R"({"label": "stars", "context": ["stars"]})").find("the label"),
              std::string::npos);
    json many = {{"context", json::array()}};
    for (std::size_t i = 0; i <= kMostColumns; ++i) many["context"].push_back(std::to_string(i));
    side_refusal(many.dump().c_str());
}

}  // namespace
}  // namespace seqrec
