// Embedded files as answers: compressed or not, anew or not.
#include "http/static_files.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace seqrec::sidecar {
namespace {

constexpr StaticFile kPage = {"text/html; charset=utf-8", "plain bytes", "packed", "tag", false};

Response ask(const StaticFile& file, std::initializer_list<std::pair<std::string, std::string>> headers) {
    Request request;
    request.headers.assign(headers.begin(), headers.end());
    return static_response(file, request);
}

std::string header(const Response& response, const std::string& wanted) {
    for (const auto& [name, value] : response.headers)
        if (name == wanted) return value;
    return "";
}

TEST(StaticFiles, GoOutPackedToWhoTakesThat) {
    const Response plain = ask(kPage, {}), packed = ask(kPage, {{"accept-encoding", "gzip, br"}});
    EXPECT_EQ(plain.body, "plain bytes");
    EXPECT_EQ(header(plain, "Content-Encoding"), "");
    EXPECT_EQ(packed.body, "packed");
    EXPECT_EQ(header(packed, "Content-Encoding"), "gzip");
    for (const Response* response : {&plain, &packed})
        EXPECT_EQ(header(*response, "Vary"), "Accept-Encoding");
    StaticFile never = kPage;
    never.gzip = {};
    const Response response = ask(never, {{"Accept-Encoding", "gzip"}});
    EXPECT_EQ(response.body, "plain bytes");
    EXPECT_EQ(header(response, "Vary"), "");
}

/// Two representations have two validators: a cache must not take one for the other.
TEST(StaticFiles, AreNotSentAgainToWhoHasThem) {
    EXPECT_EQ(header(ask(kPage, {}), "ETag"), "\"tag\"");
    EXPECT_EQ(header(ask(kPage, {{"Accept-Encoding", "gzip"}}), "ETag"), "\"tag-gzip\"");
    const Response unchanged = ask(kPage, {{"If-None-Match", "\"tag\""}});
    EXPECT_EQ(unchanged.status, 304U);
    EXPECT_TRUE(unchanged.body.empty());
    EXPECT_EQ(header(unchanged, "ETag"), "\"tag\"");
    EXPECT_EQ(ask(kPage, {{"If-None-Match", "\"tag\""}, {"Accept-Encoding", "gzip"}}).status, 200U);
    EXPECT_EQ(ask(kPage, {{"If-None-Match", "\"other\""}}).status, 200U);
}

TEST(StaticFiles, AreKeptAsLongAsTheirPathSays) {
    EXPECT_EQ(ask(kPage, {}).cache_control, "no-cache");
    StaticFile forever = kPage;
    forever.forever = true;
    EXPECT_NE(ask(forever, {}).cache_control.find("immutable"), std::string::npos);
}

TEST(StaticFiles, KeepThePageToItself) {
    const Response response = ask(kPage, {});
    const std::string policy = header(response, "Content-Security-Policy");
    EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self'")) << policy;
    EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
    EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos) << policy;
    EXPECT_EQ(header(response, "Referrer-Policy"), "no-referrer");
}

TEST(ContentTypes, AreThoseOfTheEndings) {
    EXPECT_EQ(content_type_of("web/app.js"), "text/javascript; charset=utf-8");
    EXPECT_EQ(content_type_of("openapi.json"), "application/json");
    EXPECT_EQ(content_type_of("favicon.svg"), "image/svg+xml");
    EXPECT_THROW(content_type_of("run.exe"), std::out_of_range);
    EXPECT_THROW(content_type_of("js"), std::out_of_range);
}

}  // namespace
}  // namespace seqrec::sidecar
