// What the data decide where nobody says: every rule at its ends.
#include "kinds/transformer/transformer_settings.hpp"

#include "core/kinds/kind.hpp"
#include "kernels/step_kernels.hpp"
#include "shop.hpp"
#include "torch.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::error_of;
using testing::Sequences;
using testing::Shop;

json resolved(json given = json::object()) { return resolve_options("transformer", given); }

/// `users` histories of `length` different items each.
Sequences even_histories(int users, std::int32_t length) {
    std::vector<std::int32_t> items;
    for (std::int32_t i = 0; i < length; ++i) items.push_back(i);
    return Sequences(static_cast<std::size_t>(users), items);
}

Settings settings_for(const Sequences& sequences, std::int64_t items, const json& given = json::object(),
                      const json& earlier = nullptr) {
    const Shop shop(sequences, items);
    return Settings(resolved(given), shop.data, earlier);
}

TEST(Settings, ShortHistoriesHaveLittleToLearnFrom) {
    const Settings settings = settings_for(even_histories(20, 10), 10);
    EXPECT_EQ(settings.layers, 2);
    EXPECT_EQ(settings.members, 3);
    EXPECT_DOUBLE_EQ(settings.dropout, 0.4);
    EXPECT_DOUBLE_EQ(settings.learning_rate, 0.004);
    EXPECT_EQ(settings.max_len, 10);
    EXPECT_EQ(settings.batch_tokens, 512);
    EXPECT_EQ(settings.sampled_items, 0);
    EXPECT_EQ(settings.epochs, 200);
    EXPECT_DOUBLE_EQ(settings.max_seconds, 570);
    EXPECT_DOUBLE_EQ(settings.cool_down, 0.3);
    EXPECT_TRUE(settings.refit);
}

TEST(Settings, LongOnesHaveMore) {
    const Settings settings = settings_for(even_histories(20, 60), 60);
    EXPECT_EQ(settings.layers, 4);
    EXPECT_EQ(settings.members, 2);
    EXPECT_DOUBLE_EQ(settings.dropout, 0.2);
    EXPECT_DOUBLE_EQ(settings.learning_rate, 0.008);
    EXPECT_EQ(settings.max_len, 60);
}

TEST(Settings, BetweenThemTheLogarithmDecides) {
    const Settings settings = settings_for(even_histories(20, 25), 25);  // log(2.5) / log(6) = 0.511
    EXPECT_EQ(settings.layers, 4);
    EXPECT_DOUBLE_EQ(settings.dropout, 0.30);
    EXPECT_DOUBLE_EQ(settings.learning_rate, 0.006);
    EXPECT_EQ(settings.max_len, 30);  // whole tens
}

TEST(Settings, TheLongestFewDoNotDecideHowFarAllLook) {
    Sequences sequences = even_histories(99, 12);
    sequences.push_back(even_histories(1, 180)[0]);
    EXPECT_EQ(settings_for(sequences, 180).max_len, 20);
    EXPECT_EQ(settings_for(even_histories(3, 900), 900).max_len, 200);
    EXPECT_EQ(settings_for(even_histories(3, 2), 2).max_len, 10);
}

TEST(Settings, ManyInteractionsTakeLargerStepsAndTime) {
    const Settings settings = settings_for(even_histories(12000, 50), 50);  // 600,000
    EXPECT_EQ(settings.batch_tokens, 6400);
    EXPECT_DOUBLE_EQ(settings.max_seconds, 684);
    EXPECT_EQ(settings_for(even_histories(1200, 50), 50).batch_tokens, 1000);
}

TEST(Settings, ManyItemsAreSampledAndManyRowsHaveOneNetwork) {
    EXPECT_EQ(settings_for({{0, 1}}, 50000).sampled_items, 0);
    EXPECT_EQ(settings_for({{0, 1}}, 50001).sampled_items, 4096);
    EXPECT_EQ(settings_for({{0, 1}}, 199999).members, 3);
    EXPECT_EQ(settings_for({{0, 1}}, 200000).members, 1);  // and one user
}

TEST(Settings, UsersHaveAVectorOnlyWhereAskedForOrBefore) {
    const auto width = [](const json& options, const json& earlier = nullptr) {
        return settings_for(even_histories(20, 10), 10, options, earlier).user_width();
    };
    EXPECT_EQ(width(json::object()), 0);
    EXPECT_EQ(width({{"user_dropout", 0.5}, {"dim", 16}}), 16);
    EXPECT_EQ(width({{"dim", 16}}, {{"user_dropout", 0.5}}), 16);
    EXPECT_EQ(width(json::object(), {{"user_dropout", "x"}}), 0) << "an edited number is none";
    EXPECT_EQ(width(json::object(), json::object()), 0);
    EXPECT_EQ(settings_for(even_histories(20, 10), 10).patience, 0);
    EXPECT_EQ(settings_for(even_histories(3, 100), 100).user_width(), 0);
}

TEST(Settings, AStartFromAModelIsShortAndGentle) {
    const Settings settings =
        settings_for(even_histories(20, 10), 10, json::object(), {{"trained_epochs", 60}});
    EXPECT_EQ(settings.epochs, 12);
    EXPECT_DOUBLE_EQ(settings.learning_rate, 0.002);
    EXPECT_DOUBLE_EQ(settings.cool_down, 1);
    EXPECT_EQ(settings_for(even_histories(20, 10), 10, json::object(), {{"trained_epochs", 5}}).epochs, 4);
    // as its model was trained; an edited number is none
    EXPECT_EQ(
        settings_for(even_histories(20, 10), 10, json::object(), {{"sampled_items", 4096}}).sampled_items,
        4096);
    EXPECT_EQ(
        settings_for(even_histories(20, 10), 10, json::object(), {{"sampled_items", "x"}}).sampled_items, 0);
    EXPECT_EQ(settings_for(even_histories(20, 10), 10, json::object(), json::object()).epochs,
              4);  // as if twenty
}

TEST(Settings, OneLearnsFromSeveralUnlessTheirNumberIsGiven) {
    EXPECT_EQ(settings_for(even_histories(20, 10), 10).students, 1);
    EXPECT_EQ(settings_for(even_histories(20, 10), 10, {{"members", 3}}).students, 0);
    EXPECT_EQ(settings_for(even_histories(20, 10), 10, {{"members", 3}, {"students", 2}}).students, 2);
    EXPECT_EQ(settings_for(even_histories(20, 10), 10, {{"sampled_items", 5}}).students, 0);
    EXPECT_EQ(settings_for(even_histories(20, 10), 10, json::object(), {{"trained_epochs", 5}}).students, 0);
    EXPECT_EQ(error_of([] {
                  settings_for(even_histories(20, 10), 10, {{"students", 1}, {"sampled_items", 5}});
              }),
              "22023");
    EXPECT_EQ(error_of([] {
                  settings_for(even_histories(20, 10), 10, {{"students", 1}}, {{"trained_epochs", 5}});
              }),
              "22023");
    EXPECT_EQ(error_of([] {
                  settings_for(even_histories(20, 10), 10, {{"students", 2}, {"members", 2}});
              }),
              "22023");
}

/// Where several can teach one they are trained for that; elsewhere all the time is its own. It has two layers, unless told.
TEST(Settings, OneNetworkAnswersWhereThatIsAskedFor) {
    const json fast = {{"serving", "fast"}};
    const Settings shallow = settings_for(even_histories(20, 10), 10, fast);
    EXPECT_EQ(shallow.members, 3);
    EXPECT_EQ(shallow.students, 1);
    EXPECT_TRUE(shallow.serves_one);
    const Settings best = settings_for(even_histories(20, 100), 100);
    EXPECT_EQ(best.members, 2);
    EXPECT_EQ(best.layers, 4);
    const Settings quick = settings_for(even_histories(20, 100), 100, fast);
    EXPECT_EQ(quick.members, 1);
    EXPECT_EQ(quick.students, 0);
    EXPECT_EQ(quick.layers, 2);
    EXPECT_EQ(quick.to_json().at("serving"), "fast");
    const Settings given = settings_for(even_histories(20, 100), 100, {{"serving", "fast"}, {"layers", 4}});
    EXPECT_EQ(given.layers, 4);
    EXPECT_EQ(given.members, 1);
    const Settings deep = settings_for(even_histories(20, 10), 10, {{"serving", "fast"}, {"layers", 4}});
    EXPECT_EQ(deep.members, 1) << "deep networks teach nobody";
    EXPECT_EQ(deep.students, 0);
}

TEST(Settings, WhatIsGivenIsTaken) {
    const json given = {
        {"members", 1},   {"layers", 3},        {"max_len", 7},           {"dropout", 0.1},
        {"epochs", 9},    {"batch_tokens", 99}, {"sampled_items", 50},    {"learning_rate", 0.5},
        {"cool_down", 0}, {"max_seconds", 12},  {"temperature", 0.125},   {"seed", 77},
        {"threads", 3},   {"holdout", "keep"},  {"precision", "float32"}, {"device", "cpu"}};
    const json used = settings_for(even_histories(20, 10), 10, given, {{"trained_epochs", 60}}).to_json();
    for (const auto& [name, value] : given.items()) EXPECT_EQ(used.at(name), value) << name;
}

/// `config` says every option of the kind as it was used: no null is left, and none is missing.
TEST(Settings, SayEveryOptionOfTheKind) {
    const json used = settings_for(even_histories(20, 10), 10).to_json();
    for (const OptionSpec& spec : find_kind("transformer").options) {
        ASSERT_TRUE(used.contains(spec.name)) << spec.name;
        EXPECT_FALSE(used.at(std::string(spec.name)).is_null()) << spec.name;
    }
}

TEST(Settings, RefuseWhatThisMachineCannot) {
    EXPECT_EQ(error_of([] {
                  settings_for({{0, 1}}, 2, {{"device", "cuda"}});
              }),
              at::hasCUDA() ? "" : "0A000");
    const bool can = kernels::table().bfloat16 != nullptr;
    EXPECT_EQ(error_of([] {
                  settings_for({{0, 1}}, 2, {{"precision", "bfloat16"}, {"device", "cpu"}});
              }),
              can ? "" : "0A000");
    EXPECT_EQ(settings_for({{0, 1}}, 2, {{"device", "cpu"}}).bfloat16, can);
}

}  // namespace
}  // namespace seqrec::trainer
