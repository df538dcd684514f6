// Pages of other sites.
#include "http/cors.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "problems.hpp"

namespace seqrec::sidecar {
namespace {

constexpr const char* kShop = "https://shop.example.org";

Request from(const std::string& origin, const std::string& method = "GET") {
    Request request;
    request.method = method;
    request.path = "/items";
    if (!origin.empty()) request.headers.emplace_back("origin", origin);
    return request;
}

Request preflight_from(const std::string& origin) {
    Request request = from(origin, "OPTIONS");
    request.headers.emplace_back("Access-Control-Request-Method", "GET");
    return request;
}

/// The header's value, "none" without it.
std::string cors_header(const Response& response, const std::string& name) {
    const auto found = std::ranges::find(response.headers, name, [](const auto& pair) { return pair.first; });
    return found == response.headers.end() ? "none" : found->second;
}

Response marked(const Cors& cors, const Request& request) {
    Response response;
    cors.mark(request, response);
    return response;
}

TEST(Cors, IsOff) {
    EXPECT_TRUE(marked(Cors(), from(kShop)).headers.empty());
    EXPECT_FALSE(Cors().is_preflight(preflight_from(kShop)));
    EXPECT_FALSE(Cors().is_preflight(preflight_from("")));
}

TEST(Cors, LetsPagesOfItsOriginsRead) {
    const Cors cors({"http://localhost:3000", kShop});
    EXPECT_EQ(cors_header(marked(cors, from(kShop)), "Access-Control-Allow-Origin"), kShop);
    EXPECT_NE(cors_header(marked(cors, from(kShop)), "Access-Control-Expose-Headers").find("X-Request-Id"),
              std::string::npos);
    for (const char* other :
         {"", "null", "https://attacker.example", "http://shop.example.org", "https://shop.example.org:444",
          "https://shop.example.org.attacker.example", "https://a.shop.example.org"}) {
        const auto response = marked(cors, from(other));
        EXPECT_EQ(cors_header(response, "Access-Control-Allow-Origin"), "none") << other;
        EXPECT_EQ(cors_header(response, "Vary"), "Origin")
            << "a cache must not give " << other << " what is another's";
    }
}

TEST(Cors, AnswersPreflightsOfItsOrigins) {
    const Cors cors({kShop});
    Router router;
    router.add({"GET", "/items", false, nullptr});
    router.add({"POST", "/items", true, nullptr});
    ASSERT_TRUE(cors.is_preflight(preflight_from(kShop)));
    EXPECT_FALSE(cors.is_preflight(preflight_from("https://attacker.example")));
    EXPECT_FALSE(cors.is_preflight(from(kShop, "OPTIONS"))) << "asks for nothing";
    EXPECT_FALSE(cors.is_preflight(from(kShop)));
    const auto response = cors.preflight(router, preflight_from(kShop));
    EXPECT_EQ(response.status, 204U);
    EXPECT_EQ(cors_header(response, "Access-Control-Allow-Methods"), "GET, HEAD, POST");
    EXPECT_NE(cors_header(response, "Access-Control-Allow-Headers").find("Authorization"), std::string::npos);
    auto elsewhere = preflight_from(kShop);
    elsewhere.path = "/nowhere";
    EXPECT_EQ(problem_of([&] { cors.preflight(router, elsewhere); }).kind, "unknown-path");
}

}  // namespace
}  // namespace seqrec::sidecar
