// The body of POST /train.
#include "api/train_request.hpp"

#include "problems.hpp"

namespace seqrec::sidecar {
namespace {

TEST(TrainRequest, HasTheDefaultsOfSql) {
    const auto request = parse_train_request(R"({"ratings":"r","options":{"dim":8}})", "shop");
    EXPECT_EQ(request.model, "shop");
    EXPECT_FALSE(request.items || request.users);
    EXPECT_FALSE(request.kind) << "the default of the database";
    EXPECT_EQ(request.user_column + request.item_column + request.time_column, "user_iditem_idtimestamp");
    EXPECT_EQ(request.options, R"({"dim":8})");
    EXPECT_EQ(request.if_running, "error");
}

TEST(TrainRequest, TakesEveryArgument) {
    const auto request = parse_train_request(
        R"({"ratings":"shop.clicks","model":"m","kind":"k","user_column":"u","item_column":"i","time_column":"t",
            "items":"shop.products","users":"customers","options":{"event_weights":{"buy":5},"crosses":["a"]},"if_running":"skip"})",
        "shop");
    EXPECT_EQ(request.ratings + request.model + *request.kind, "shop.clicksmk");
    EXPECT_EQ(request.user_column + request.item_column + request.time_column, "uit");
    EXPECT_EQ(*request.items + *request.users, "shop.productscustomers");
    EXPECT_EQ(request.options, R"({"crosses":["a"],"event_weights":{"buy":5}})");
    EXPECT_EQ(request.if_running, "skip");
}

TEST(TrainRequest, NamesTheFieldThatIsWrong) {
    const auto field_of = [](const std::string& body) {
        return refused_field([&] { parse_train_request(body, "shop"); });
    };
    EXPECT_EQ(field_of("{}"), "ratings");
    EXPECT_EQ(field_of(R"({"ratings":""})"), "ratings");
    EXPECT_EQ(field_of(R"({"ratings":1})"), "ratings");
    EXPECT_EQ(field_of(R"({"ratings":"r","items":["a"]})"), "items");
    EXPECT_EQ(field_of(R"({"ratings":"r","users":""})"), "users");
    EXPECT_NO_THROW(parse_train_request(R"({"ratings":"r","users":null})", "shop"));
    EXPECT_EQ(field_of(R"({"ratings":"r","options":[]})"), "options");
    EXPECT_EQ(field_of(R"({"ratings":"r","options":"{}"})"), "options");
    EXPECT_EQ(field_of(R"({"ratings":"r","if_running":"wait"})"), "if_running");
    EXPECT_EQ(field_of(R"({"ratings":"r","time_colum":"t"})"), "time_colum");
    EXPECT_EQ(field_of(R"({"ratings":"r","ratings":"s"})"), "ratings");
}

/// PostgreSQL would cut a longer name, and might find another column.
TEST(TrainRequest, RefusesNamesThatWouldBeCut) {
    const auto body = [](std::size_t length) {
        return R"({"ratings":"r","item_column":")" + std::string(length, 'c') + "\"}";
    };
    EXPECT_EQ(parse_train_request(body(63), "shop").item_column.size(), 63U);
    EXPECT_EQ(refused_field([&] { parse_train_request(body(64), "shop"); }), "item_column");
}

}  // namespace
}  // namespace seqrec::sidecar
