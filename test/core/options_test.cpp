#include "core/options.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "testing.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using testing::error_of;

json resolve(const char* given) { return resolve_options("transformer", json::parse(given)); }

/// The message and hint of the 22023 that refuses `given`.
std::string refusal(const char* given) {
    std::string message;
    EXPECT_EQ(error_of([&] { resolve(given); }, &message), sqlstate::kInvalidParameter) << given;
    return message;
}

TEST(Options, FillsInEveryDefault) {
    const json options = resolve("{}");
    EXPECT_EQ(options.size(), option_specs("transformer").size());
    EXPECT_EQ(options.at("dim"), 64);
    EXPECT_EQ(options.at("temperature"), 0.05);
    EXPECT_TRUE(options.at("max_len").is_null());
}

TEST(Options, KeepsWhatIsGiven) {
    const json options = resolve(R"({"dim": 128, "heads": 2, "learning_rate": 0.01})");
    EXPECT_EQ(options.at("dim"), 128);
    EXPECT_EQ(options.at("heads"), 2);
    EXPECT_EQ(options.at("learning_rate"), 0.01);
    EXPECT_TRUE(options.at("layers").is_null());
}

TEST(Options, NullAsksForTheDefault) { EXPECT_EQ(resolve(R"({"dim": null})"), resolve("{}")); }

/// What a training decided goes together, though nobody may ask for it so.
TEST(Options, EachMayBeCheckedByItself) {
    const json decided = {{"serving", "fast"}, {"members", 1}, {"students", 1}};
    EXPECT_EQ(error_of([&] { resolve_options("transformer", decided); }), sqlstate::kInvalidParameter);
    const json whole = complete_options("transformer", decided);
    EXPECT_EQ(whole.at("students"), 1);
    EXPECT_EQ(whole.size(), option_specs("transformer").size());
    for (const json& wrong : {json{{"serving", "slow"}}, json{{"members", 9}}, json{{"networks", 1}}})
        EXPECT_EQ(error_of([&] { complete_options("transformer", wrong); }), sqlstate::kInvalidParameter)
            << wrong;
}

TEST(Options, EveryDefaultIsAcceptedWhenGiven) {
    const json defaults = resolve("{}");
    EXPECT_EQ(resolve(defaults.dump().c_str()), defaults);
}

TEST(Options, EveryEndOfEveryRangeIsAcceptedAndTheNextNumberIsNot) {
    for (const OptionSpec& spec : option_specs("transformer")) {
        if (spec.type != OptionType::Integer && spec.type != OptionType::Real) continue;
        const std::string name(spec.name);
        const auto accepts = [&](double value) {
            json given = {{name, value}};
            if (name == "heads") given["dim"] = 16 * 8;
            if (name == "distill") given["init_from"] = "m";
            return error_of([&] { resolve_options("transformer", given); }).empty();
        };
        EXPECT_TRUE(accepts(spec.minimum)) << name;
        EXPECT_TRUE(accepts(spec.maximum)) << name;
        EXPECT_FALSE(accepts(spec.minimum - 1)) << name;
        EXPECT_FALSE(accepts(spec.maximum + (name == "seed" ? 2 : 1))) << name;
    }
}

TEST(Options, WhatIsSaidOfAnEarlierModelNeedsOne) {
    for (const char* option : {R"({"distill": 1})", R"({"keep_items": true})"})
        EXPECT_NE(refusal(option).find("without init_from"), std::string::npos) << option;
    EXPECT_EQ(resolve(R"({"distill": 1, "init_from": "m"})").at("distill"), 1);
    EXPECT_EQ(resolve(R"({"distill": 0, "keep_items": false})").at("distill"), 0) << "nothing is asked for";
}

TEST(Options, AShareOfUsersIsNotHeldOutByTime) {
    EXPECT_NE(refusal(R"({"split": "time", "holdout_share": 0.5})").find("holdout_share"), std::string::npos);
    EXPECT_EQ(resolve(R"({"split": "time", "holdout_share": 1})").at("split"), "time");
}

TEST(Options, StudentsAreRefusedWhereTheyCannotLearn) {
    for (const char* options : {R"({"students": 1, "init_from": "m"})",
                                R"({"students": 1, "sampled_items": 9})", R"({"students": 2, "members": 2})"})
        EXPECT_NE(refusal(options).find("tudents"), std::string::npos) << options;
    EXPECT_EQ(resolve(R"({"students": 2, "members": 3})").at("students"), 2);
    EXPECT_EQ(resolve(R"({"students": 0, "init_from": "m", "sampled_items": 9})").at("students"), 0);
}

TEST(Options, OneNetworkToAnswerIsSaidOnce) {
    for (const char* options :
         {R"({"serving": "fast", "members": 2})", R"({"serving": "fast", "students": 1})",
          R"({"serving": "fast", "init_from": "m"})"})
        EXPECT_NE(refusal(options).find("serving"), std::string::npos) << options;
    EXPECT_EQ(resolve(R"({"serving": "fast"})").at("serving"), "fast");
    EXPECT_EQ(resolve(R"({"serving": "best", "members": 2})").at("members"), 2);
}

TEST(Options, NamesAreUniqueAndMeaningsGiven) {
    std::set<std::string_view> names;
    for (const OptionSpec& spec : option_specs("transformer")) {
        EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
        EXPECT_FALSE(spec.meaning.empty()) << spec.name;
    }
}

TEST(Options, AnUnknownKeyIsNamedAndTheKnownOnesListed) {
    const std::string message = refusal(R"({"dims": 64})");
    EXPECT_NE(message.find("unknown option \"dims\""), std::string::npos) << message;
    EXPECT_NE(message.find("dim, layers"), std::string::npos) << message;
    refusal(R"({"": 1})");
    refusal(R"({"nonsense": null})");
}

TEST(Options, AWrongTypeIsRefusedWithWhatWasExpected) {
    for (const char* given : {R"({"dim": "64"})", R"({"dim": true})", R"({"dim": [64]})", R"({"dim": 64.5})",
                              R"({"dropout": "0.1"})", R"({"dropout": {}})"})
        EXPECT_NE(refusal(given).find("wrong type"), std::string::npos) << given;
    EXPECT_NE(refusal(R"({"dim": "64"})").find("dim is an integer from 8 to 1024."), std::string::npos);
}

TEST(Options, AWholeNumberMayBeWrittenWithAPoint) {
    const json options = resolve(R"({"dim": 128.0})");
    EXPECT_TRUE(options.at("dim").is_number_integer());
    EXPECT_EQ(options.at("dim"), 128);
}

TEST(Options, OutOfRangeNamesTheKeyAndTheRange) {
    const std::string message = refusal(R"({"dropout": 0.95})");
    EXPECT_NE(message.find("\"dropout\""), std::string::npos) << message;
    EXPECT_NE(message.find("from 0 to 0.9"), std::string::npos) << message;
    refusal(R"({"epochs": 0})");
    refusal(R"({"dim": 1e300})");
    refusal(R"({"seed": 18446744073709551615})");
}

TEST(Options, DimFitsHeads) {
    EXPECT_NE(refusal(R"({"dim": 12})").find("Try dim 16"), std::string::npos);
    EXPECT_NE(refusal(R"({"dim": 64, "heads": 3})").find("Try dim 72"), std::string::npos);
}

TEST(Options, OnlyAnObjectWillDo) {
    for (const char* given : {"[]", "null", "1", "\"dim\""})
        EXPECT_NE(refusal(given).find("JSON object"), std::string::npos) << given;
}

TEST(Options, AnUnknownKindListsTheKnownOnes) {
    std::string message;
    EXPECT_EQ(error_of([] { option_specs("gru"); }, &message), sqlstate::kInvalidParameter);
    EXPECT_NE(message.find("transformer"), std::string::npos) << message;
}

}  // namespace
}  // namespace seqrec
