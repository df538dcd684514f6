// Headers of requests.
#include "http/message.hpp"

#include <gtest/gtest.h>

namespace seqrec::sidecar {
namespace {

TEST(Request, FindsTheFirstHeaderInAnyCase) {
    Request request;
    request.headers = {{"Accept", "a"}, {"ACCEPT", "b"}, {"X-Empty", ""}};
    EXPECT_EQ(request.header("accept"), "a");
    EXPECT_EQ(request.header("x-empty"), "");
    EXPECT_EQ(request.header("Accept-Encoding"), "");
}

}  // namespace
}  // namespace seqrec::sidecar
