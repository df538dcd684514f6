// Every route is in openapi.json, and nothing else is.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "embedded.hpp"
#include "http_input.hpp"

namespace seqrec::sidecar {
namespace {

using Names = std::set<std::string>;

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// The dashboard's own files are for people's browsers, not for programs.
bool is_page(const Route& route) { return route.path == "/" || route.path.starts_with("/assets/"); }

nlohmann::json document() { return nlohmann::json::parse(embedded_file("openapi.json").bytes); }

TEST(OpenApi, HasEveryRouteAndNoOther) {
    const testing::HttpInput service;
    Names answered, documented;
    for (const auto& route : service.router().routes())
        if (!is_page(route)) answered.insert(lower(route.method) + " " + route.path);
    const auto paths = document()["paths"];
    for (const auto& [path, methods] : paths.items())
        for (const auto& [method, operation] : methods.items()) documented.insert(method + " " + path);
    EXPECT_EQ(answered, documented);
}

TEST(OpenApi, SaysWhoMayUseARoute) {
    const testing::HttpInput service;
    const auto paths = document()["paths"];
    for (const auto& route : service.router().routes()) {
        if (is_page(route)) continue;
        const auto& security = paths[route.path][lower(route.method)]["security"];
        const std::size_t ways = route.access == Access::Open ? 0 : route.access == Access::Admin ? 1 : 2;
        EXPECT_EQ(security.size(), ways) << route.path;
    }
}

TEST(OpenApi, DescribesPathParametersAndBodies) {
    const testing::HttpInput service;
    const auto paths = document()["paths"];
    for (const auto& route : service.router().routes()) {
        if (is_page(route)) continue;
        const auto& operation = paths[route.path][lower(route.method)];
        EXPECT_EQ(operation.contains("requestBody"), route.takes_json) << route.path;
        if (route.path.find('{') != std::string::npos) {
            EXPECT_FALSE(operation["parameters"].empty()) << route.path;
        }
    }
}

TEST(OpenApi, HasTheVersionOfTheProgram) { EXPECT_EQ(document()["info"]["version"], SEQREC_VERSION); }

}  // namespace
}  // namespace seqrec::sidecar
