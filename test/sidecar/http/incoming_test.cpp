// What a request's header alone decides.
#include "http/incoming.hpp"

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <string>

namespace seqrec::sidecar {
namespace {

/// What is said of a POST with these lines of header.
std::optional<Problem> problem_with(const std::string& lines) {
    Router router;
    router.add({"POST", "/events", true,
                [](const Request&) -> boost::asio::awaitable<Response> { co_return Response(); },
                Access::Bearer});
    const std::string bytes = "POST /events HTTP/1.1\r\nContent-Length: 0\r\n" + lines + "\r\n";
    RequestParser parser;
    boost::system::error_code error;
    parser.put(boost::asio::buffer(bytes), error);
    EXPECT_FALSE(error) << error.message();
    Request request = request_of(parser);
    const Doors doors{Hosts(Config{}, "127.0.0.1"), Cors(), Gate("", "0123456789abcdef")};
    return admit(router, doors, parser, request).problem;
}

TEST(Admit, TakesNoHeaderTwiceOfWhichOneCounts) {
    const std::string usual =
        "Host: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer 0123456789abcdef\r\n"
        "Idempotency-Key: a\r\nLast-Event-ID: 1\r\nOrigin: https://shop.example\r\n";
    ASSERT_FALSE(problem_with(usual));
    for (const auto& [name, line] : {std::pair{"Host", "Host: localhost"},
                                     {"Content-Type", "Content-Type: application/json"},
                                     {"Authorization", "AUTHORIZATION: Bearer wrong"},
                                     {"Idempotency-Key", "Idempotency-Key: a"},
                                     {"Idempotency-Key", "idempotency-key:"},
                                     {"Last-Event-ID", "Last-Event-ID: 2"},
                                     {"Origin", "Origin: https://shop.example"}}) {
        const auto problem = problem_with(usual + line + "\r\n");
        ASSERT_TRUE(problem) << line;
        EXPECT_EQ(problem->status, 400U) << line;
        EXPECT_EQ(problem->kind, "invalid-field") << line;
        EXPECT_EQ(problem->field, name) << line;
        EXPECT_EQ(problem->detail, std::string(name) + " is given twice");
    }
}

/// Lists may come in parts, and of two request ids either will do.
TEST(Admit, TakesOtherHeadersTwice) {
    const std::string usual = "Content-Type: application/json\r\nAuthorization: Bearer 0123456789abcdef\r\n";
    for (const char* line : {"Accept-Language: de\r\n", "If-None-Match: \"a\"\r\n", "X-Request-Id: a\r\n"})
        EXPECT_FALSE(problem_with(usual + line + line)) << line;
}

}  // namespace
}  // namespace seqrec::sidecar
