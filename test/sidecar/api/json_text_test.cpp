// JSON written straight into a string.
#include "api/json_text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

namespace seqrec::sidecar {
namespace {

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

TEST(JsonText, WritesArraysOfAnything) {
    std::string json;
    append_json_array(json, std::vector<float>{1, 0.5f}, [&](float number) { append_json(json, number); });
    append_json_array(json, std::vector<float>{}, [&](float number) { append_json(json, number); });
    EXPECT_EQ(json, "[1,0.5][]");
}

}  // namespace
}  // namespace seqrec::sidecar
