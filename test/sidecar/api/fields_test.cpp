// Fields of requests: what is taken, and that what is not is named.
#include "api/fields.hpp"

#include "problems.hpp"

namespace seqrec::sidecar {
namespace {

using nlohmann::json;

TEST(ParseObject, TakesObjectsAlone) {
    EXPECT_EQ(parse_object(R"({"a":[1,{"b":null}]})"), json::parse(R"({"a":[1,{"b":null}]})"));
    for (const char* body : {"[]", "1", "\"a\"", "null", "true"})
        EXPECT_EQ(problem_of([&] { parse_object(body); }).kind, "invalid-json") << body;
}

/// The parser's own words would give parts of the body back, ids among them.
TEST(ParseObject, SaysWhereABodyIsNoJsonAndNotWhatItSays) {
    const Problem problem = problem_of([] { parse_object(R"({"user_id": "secret", })"); });
    EXPECT_EQ(problem.kind, "invalid-json");
    EXPECT_NE(problem.detail.find("byte 23"), std::string::npos) << problem.detail;
    EXPECT_EQ(problem.detail.find("secret"), std::string::npos) << problem.detail;
    for (const char* body : {"", "{", "{}x", "{\"a\":\xff}", "{'a':1}", R"({"a":1e999})"})
        EXPECT_EQ(problem_of([&] { parse_object(body); }).kind, "invalid-json") << body;
}

TEST(ParseObject, RefusesNumbersThatFitNowhere) {
    for (const char* body :
         {R"({"options":{"dim":1e400}})", R"({"a":[-1e400]})", R"({"context":{"a":{"b":1e400}}})"}) {
        const Problem problem = problem_of([&] { parse_object(body); });
        EXPECT_EQ(problem.status, 400U) << body;
        EXPECT_EQ(problem.detail, "the body holds a number that is out of range") << body;
    }
}

TEST(ParseObject, IsNotTakenIntoTheDepth) {
    const auto nested = [](int depth) {
        return R"({"a":)" + std::string(static_cast<std::size_t>(depth), '[') +
               std::string(static_cast<std::size_t>(depth), ']') + "}";
    };
    EXPECT_NO_THROW(parse_object(nested(7)));
    EXPECT_EQ(problem_of([&] { parse_object(nested(8)); }).kind, "invalid-json");
    EXPECT_EQ(problem_of([&] { parse_object(nested(100000)); }).kind, "invalid-json");
}

/// Of two equal names another reader may take the other one.
TEST(ParseObject, RefusesANameThatIsGivenTwice) {
    EXPECT_EQ(refused_field([] { parse_object(R"({"a":1,"a":1})"); }), "a");
    EXPECT_EQ(refused_field([] { parse_object(R"({"x":[{"b":1,"c":2,"b":3}]})"); }), "b");
    EXPECT_NO_THROW(parse_object(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]})"));
    const std::string name(5000, 'n');
    EXPECT_EQ(refused_field([&] { parse_object("{\"" + name + "\":1,\"" + name + "\":2}"); }).size(),
              kMaxIdBytes);
}

TEST(Ids, AreTextOrWholeNumbers) {
    EXPECT_EQ(id_text(json("a b"), "f"), "a b");
    EXPECT_EQ(id_text(json(7), "f"), "7");
    EXPECT_EQ(id_text(json(-7), "f"), "-7");
    EXPECT_EQ(id_text(json(18446744073709551615ULL), "f"), "18446744073709551615");
    for (const char* value : {"1.5", "1e3", "true", "null", "[]", "{}", "\"\""})
        EXPECT_EQ(refused_field([&] { id_text(json::parse(value), "f"); }), "f") << value;
}

TEST(Ids, AreBounded) {
    EXPECT_EQ(id_text(json(std::string(kMaxIdBytes, 'x')), "f").size(), kMaxIdBytes);
    EXPECT_EQ(refused_field([] { id_text(json(std::string(kMaxIdBytes + 1, 'x')), "f"); }), "f");
    EXPECT_EQ(refused_field([] { id_text(json(std::string("a\0b", 3)), "f"); }), "f")
        << "no text of PostgreSQL's";
}

TEST(Ids, OfAListAreNamedByTheirPlace) {
    EXPECT_EQ(id_list(json::parse(R"(["a",2])"), "f", 2), (std::vector<std::string>{"a", "2"}));
    EXPECT_TRUE(id_list(json::array(), "f", 0).empty());
    EXPECT_EQ(refused_field([] { id_list(json::parse(R"(["a",null])"), "f", 2); }), "f[1]");
    EXPECT_EQ(refused_field([] { id_list(json::parse(R"(["a","b","c"])"), "f", 2); }), "f");
    EXPECT_EQ(refused_field([] { id_list(json("a"), "f", 2); }), "f");
}

TEST(Names, AreTextAlone) {
    EXPECT_EQ(name_text(json("shop"), "f"), "shop");
    EXPECT_EQ(refused_field([] { name_text(json(1), "f"); }), "f");
}

TEST(Numbers, KeepTheirBounds) {
    EXPECT_EQ(whole_number(json(1), "f", 1, 10), 1);
    EXPECT_EQ(whole_number(json(10), "f", 1, 10), 10);
    for (const char* value :
         {"0", "11", "1.0", "\"1\"", "18446744073709551615", "-9223372036854775808", "null"})
        EXPECT_EQ(refused_field([&] { whole_number(json::parse(value), "f", 1, 10); }), "f") << value;
    EXPECT_EQ(number(json(-0.5), "f"), -0.5);
    EXPECT_EQ(refused_field([] { number(json("0.5"), "f"); }), "f");
    EXPECT_TRUE(boolean(json(true), "f"));
    EXPECT_EQ(refused_field([] { boolean(json(1), "f"); }), "f");
}

Parameters parameters(std::initializer_list<std::pair<const char*, const char*>> pairs) {
    Parameters given;
    for (const auto& [name, value] : pairs) given.add(name, value);
    return given;
}

TEST(QueryFields, AreThoseOfTheRouteOnceEach) {
    EXPECT_NO_THROW(expect_parameters(parameters({{"k", "1"}, {"id", "a"}, {"id", "b"}}), {"k"}, {"id"}));
    EXPECT_EQ(refused_field([] { expect_parameters(parameters({{"k", "1"}, {"k", "1"}}), {"k"}); }), "k");
    EXPECT_EQ(refused_field([] { expect_parameters(parameters({{"q", "1"}}), {"k"}, {"id"}); }), "q");
}

TEST(QueryFields, MayBeListsAndNumbers) {
    EXPECT_EQ(id_list(parameters({{"id", "a"}, {"k", "1"}, {"id", "b"}}), "id"),
              (std::vector<std::string>{"a", "b"}));
    EXPECT_FALSE(id_list(parameters({{"k", "1"}}), "id"));
    EXPECT_EQ(refused_field([] { id_list(parameters({{"id", "a"}, {"id", ""}}), "id"); }), "id");
    EXPECT_EQ(number(parameters({{"min_score", "-2.5"}}), "min_score"), -2.5);
    EXPECT_FALSE(number(parameters({}), "min_score"));
    for (const char* text : {"", "x", "1,5", "nan", "inf", "1e999", "0.5 "})
        EXPECT_EQ(refused_field([&] {
                      number(parameters({{"min_score", text}}), "min_score");
                  }),
                  "min_score")
            << text;
    for (const char* text : {"1e400", "-1e400", "1e-400"}) {
        const Problem problem = problem_of([&] { number(parameters({{"k", text}}), "k"); });
        EXPECT_EQ(problem.status, 400U) << text;
        EXPECT_NE(problem.detail.find("double precision"), std::string::npos) << text;
    }
}

TEST(QueryFields, AreNumbersAndIds) {
    EXPECT_EQ(whole_number(parameters({{"k", "10"}}), "k", 1, 10, 5), 10);
    EXPECT_EQ(whole_number(parameters({}), "k", 1, 10, 5), 5);
    for (const char* text : {"", "0", "11", "1x", "1.0", "+1", " 1", "99999999999999999999"})
        EXPECT_EQ(refused_field([&] {
                      whole_number(parameters({{"k", text}}), "k", 1, 10, 5);
                  }),
                  "k")
            << text;
    EXPECT_EQ(id_text(parameters({{"id", "a"}}), "id"), "a");
    EXPECT_EQ(id_text(parameters({}), "id"), std::nullopt);
    EXPECT_EQ(refused_field([] { id_text(parameters({{"id", ""}}), "id"); }), "id");
}

/// What is no number names nothing: the same 404 as a number that nobody has.
TEST(PathFields, AreNumbersAboveZero) {
    const auto in_path = [](const char* text) {
        Request request;
        request.in_path.add("job_id", text);
        return number_in_path(request, "job_id", "unknown-job", "no such job");
    };
    EXPECT_EQ(in_path("9223372036854775807"), 9223372036854775807);
    for (const char* text : {"", "0", "-1", "1x", "x", "9223372036854775808", "1 "}) {
        const Problem problem = problem_of([&] { in_path(text); });
        EXPECT_EQ(problem.status, 404U) << text;
        EXPECT_EQ(problem.kind, "unknown-job") << text;
    }
}

}  // namespace
}  // namespace seqrec::sidecar
