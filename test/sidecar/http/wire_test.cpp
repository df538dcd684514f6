// Small pieces of HTTP: answers as bytes, and what headers of clients mean.
#include "http/wire.hpp"

#include <gtest/gtest.h>

namespace seqrec::sidecar {
namespace {

/// The line of a header, without its end; "" when it is not there.
std::string line_of(const std::string& response, const std::string& name) {
    const auto begin = response.find("\r\n" + name + ": ");
    if (begin == std::string::npos) return "";
    return response.substr(begin + 2, response.find("\r\n", begin + 2) - begin - 2);
}

TEST(Render, WritesAnAnswer) {
    Response response;
    response.body = "{}";
    response.headers = {{"ETag", "\"x\""}};
    const std::string text = render(response, "r1", true, false);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n")) << text;
    EXPECT_TRUE(text.ends_with("\r\n\r\n{}")) << text;
    EXPECT_EQ(line_of(text, "Content-Type"), "Content-Type: application/json");
    EXPECT_EQ(line_of(text, "Content-Length"), "Content-Length: 2");
    EXPECT_EQ(line_of(text, "Cache-Control"), "Cache-Control: private, no-store");
    EXPECT_EQ(line_of(text, "X-Request-Id"), "X-Request-Id: r1");
    EXPECT_EQ(line_of(text, "X-Content-Type-Options"), "X-Content-Type-Options: nosniff");
    EXPECT_EQ(line_of(text, "ETag"), "ETag: \"x\"");
    EXPECT_EQ(line_of(text, "Connection"), "Connection: keep-alive");
}

TEST(Render, AHeadHasTheHeadersOfTheBodyItLeavesOut) {
    Response response;
    response.body = "four";
    const std::string text = render(response, "r", false, true);
    EXPECT_EQ(line_of(text, "Content-Length"), "Content-Length: 4");
    EXPECT_TRUE(text.ends_with("Connection: close\r\n\r\n")) << text;
}

TEST(Render, WhatHasNoBodyHasNoLength) {
    Response stream;
    stream.stream = [](BodyWriter&) -> boost::asio::awaitable<void> { co_return; };
    EXPECT_EQ(line_of(render(stream, "r", false, false), "Content-Length"), "");
    for (const auto& [status, line] : {std::pair{304U, "304 Not Modified"}, {204U, "204 No Content"}}) {
        Response empty;
        empty.status = status;
        const std::string text = render(empty, "r", true, false);
        EXPECT_TRUE(text.starts_with("HTTP/1.1 " + std::string(line) + "\r\n")) << text;
        EXPECT_EQ(line_of(text, "Content-Length") + line_of(text, "Content-Type"), "");
    }
}

TEST(Render, TheDateIsTheWebs) {
    const std::string date = line_of(render({}, "r", true, false), "Date");
    EXPECT_EQ(date.size(), std::string("Date: Sun, 06 Nov 1994 08:49:37 GMT").size()) << date;
    EXPECT_TRUE(date.ends_with(" GMT")) << date;
}

TEST(ContentTypes, ThatAreJsonInUtf8) {
    for (const char* type : {"application/json", "Application/JSON", "application/problem+json",
                             " application/json ", "application/json; charset=utf-8",
                             "application/json;charset=\"UTF-8\"", "application/json; version=1"})
        EXPECT_TRUE(is_json(type)) << type;
    for (const char* type :
         {"", "text/json", "application/jsonp", "application/json; charset=utf-16", "json",
          "application/x-www-form-urlencoded", "text/plain+json", "application/json charset=utf-8"})
        EXPECT_FALSE(is_json(type)) << type;
}

TEST(AcceptEncoding, TakesGzipOrDoesNot) {
    for (const char* header :
         {"gzip", "deflate, GZIP", "gzip;q=0.5", "br;q=1, gzip; q=0.001", "*", "x-gzip", "identity;q=0, *"})
        EXPECT_TRUE(accepts_gzip(header)) << header;
    for (const char* header :
         {"", "br", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *", "gzipped", "notgzip"})
        EXPECT_FALSE(accepts_gzip(header)) << header;
}

TEST(IfNoneMatch, NamesAValidatorAmongOthers) {
    for (const char* header : {"\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", " \"a\" ,", "\"b\",W/\"a\""})
        EXPECT_TRUE(names_etag(header, "\"a\"")) << header;
    for (const char* header : {"", "\"b\"", "a", "\"ab\"", "w/\"a\"", "\"a"})
        EXPECT_FALSE(names_etag(header, "\"a\"")) << header;
}

/// An id stands in headers and in the log: nothing in it may end a line.
TEST(RequestIds, AreTheClientsWhereTheyAreHarmless) {
    EXPECT_EQ(choose_request_id("abc-123"), "abc-123");
    EXPECT_EQ(choose_request_id(std::string(128, 'x')).size(), 128U);
    for (const std::string& given : {std::string(), std::string("a b"), std::string("a\r\nX: y"),
                                     std::string("\x7f"), std::string("\xe4"), std::string(129, 'x')}) {
        const std::string own = choose_request_id(given);
        EXPECT_EQ(own.size(), 16U) << own;
        EXPECT_EQ(own.find_first_not_of("0123456789abcdef"), std::string::npos) << own;
        EXPECT_NE(own, choose_request_id(given));
    }
}

}  // namespace
}  // namespace seqrec::sidecar
