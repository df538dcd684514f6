// Percent-decoding and the query part.
#include "http/parameters.hpp"

#include "problems.hpp"

namespace seqrec::sidecar {
namespace {

TEST(PercentDecoding, ResolvesWhatIsWellEncoded) {
    EXPECT_EQ(percent_decoded("plain"), "plain");
    EXPECT_EQ(percent_decoded("a%2Fb%2f"), "a/b/");
    EXPECT_EQ(percent_decoded("%E4%B8%AD%F0%9F%98%80"), "中😀");
    EXPECT_EQ(percent_decoded("a+b"), "a+b");
    EXPECT_EQ(percent_decoded(""), "");
}

TEST(PercentDecoding, RefusesTheRest) {
    for (const std::string_view text :
         {"%", "%4", "%4g", "%g4", "% 41", "%+41", "%-1", "%00", "%ff", "%C0%80", "%ED%A0%80", "%F4%90%80%80",
          "%E4%B8", "%80", "%F5%80%80%80", "%E0%80%80", "%F0%80%80%80"})
        EXPECT_EQ(percent_decoded(text), std::nullopt) << text;
    EXPECT_EQ(percent_decoded(std::string_view("a\0b", 3)), std::nullopt);
    EXPECT_EQ(percent_decoded("\xff"), std::nullopt);
}

TEST(Query, KeepsOrderAndRepeats) {
    const auto parameters = parse_query("id=a&x=&id=b%20c&y&&z=1+2=3");
    EXPECT_EQ(parameters.size(), 5U);
    EXPECT_EQ(parameters.all("id"), (std::vector<std::string>{"a", "b c"}));
    EXPECT_EQ(*parameters.find("x"), "");
    EXPECT_EQ(*parameters.find("y"), "");
    EXPECT_EQ(*parameters.find("z"), "1 2=3");
    EXPECT_EQ(parameters.find("w"), nullptr);
    EXPECT_EQ(parse_query("").size(), 0U);
}

TEST(Query, IsBounded) {
    EXPECT_EQ(problem_of([] { parse_query("a=%"); }).kind, "malformed-request");
    EXPECT_EQ(problem_of([] { parse_query("%ff=a"); }).status, 400U);
    std::string many;
    for (std::size_t i = 0; i < kMaxParameters; ++i) many += "a&";
    EXPECT_EQ(parse_query(many).size(), kMaxParameters);
    EXPECT_EQ(problem_of([&] { parse_query(many + "a"); }).kind, "malformed-request");
}

}  // namespace
}  // namespace seqrec::sidecar
