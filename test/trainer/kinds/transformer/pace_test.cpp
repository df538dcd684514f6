// How many networks fit into a time, and who is asked.
#include "kinds/transformer/pace.hpp"

#include <gtest/gtest.h>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

TEST(Pace, GivesEachNetworkEpochsEnough) {
    // A million labels, a hundred thousand a second: 10 s a pass, some 190 s a network.
    const auto members = [](double seconds) { return members_that_fit(3, {1e5, 1e6, 15}, seconds); };
    EXPECT_EQ(members(20), 1);  // at least one, however starved
    EXPECT_EQ(members(190), 1);
    EXPECT_EQ(members(380), 2);
    EXPECT_EQ(members(570), 3);
    EXPECT_EQ(members(10000), 3);
    EXPECT_EQ(members_that_fit(3, {1e5, 1e6, 30}, 570), 1) << "deep networks need twice as many epochs";
    std::int64_t before = 1;
    for (double seconds = 1; seconds < 1000; seconds *= 1.1) {
        EXPECT_GE(members(seconds), before);
        before = members(seconds);
    }
}

struct Paced {
    testing::Shop shop;
    Workers workers{1};
    Turn turn;
    std::string said;

    explicit Paced(int users) : shop(testing::walks(users, 60, 40), 60) {}

    std::pair<Settings, json> keep(const json& options, const Open& open) {
        Settings settings(testing::small_options(options), shop.data, nullptr);
        ::testing::internal::CaptureStdout();
        Reporter reporter;
        const Run run{shop.data, workers, reporter};
        turn = {};
        Pace pace(run, settings, open, Random(1), turn);
        pace.settle_networks(turn);
        said = ::testing::internal::GetCapturedStdout();
        return {settings, pace.metrics()};
    }
};

TEST(Pace, LeavesLittleDataAndGivenOptionsAlone) {
    Paced little(100), much(4000);
    const json options = {{"members", 3}, {"max_seconds", 1}};
    EXPECT_TRUE(little.keep(options, {true, true, true}).second.empty());
    EXPECT_EQ(little.turn.before.seconds, 0);
    EXPECT_EQ(much.keep(options, {}).first.members, 3);
}

/// A pass of one step has no speed, and labels that weigh nothing no gradient.
TEST(Pace, TellsNothingWhereThereIsNoSecondStep) {
    Paced paced(4000);
    const auto [settings, told] =
        paced.keep({{"members", 3}, {"max_seconds", 1}, {"batch_tokens", 1000000}}, {true, true, true});
    EXPECT_EQ(settings.members, 3);
    EXPECT_TRUE(told.empty());
}

TEST(Pace, AnUpdateIsNotTimed) {
    Paced paced(4000);
    paced.shop.data.know_until(std::vector<double>(4000, -1));
    EXPECT_TRUE(paced.keep({{"members", 3}, {"max_seconds", 1}}, {}).second.empty());
    EXPECT_EQ(paced.turn.before.seconds, 0);
}

TEST(Pace, TrainsFewerNetworksWhereTheTimeIsShortAndSaysSo) {
    Paced paced(4000);
    const auto [hurried, told] = paced.keep({{"members", 3}, {"max_seconds", 1}}, {true, true, false});
    EXPECT_EQ(hurried.members, 1);
    EXPECT_EQ(told.at("pace").at("members"), 1);
    EXPECT_EQ(told.at("pace").at("members_wanted"), 3);
    EXPECT_GT(told.at("pace").at("labels_per_s"), 0);
    EXPECT_NE(paced.said.find("1 of 3 networks"), std::string::npos) << paced.said;
    EXPECT_GT(paced.turn.before.seconds, 0);
    const auto [patient, all] = paced.keep({{"members", 3}, {"max_seconds", 1e6}}, {true, true, false});
    EXPECT_EQ(patient.members, 3);
    EXPECT_EQ(paced.said.find("networks"), std::string::npos) << paced.said;
}

TEST(Pace, NobodyLearnsFromOneNetworkOrFromASample) {
    Paced paced(4000);
    const json given = {{"members", 3}, {"students", 1}, {"max_seconds", 1}};
    EXPECT_EQ(paced.keep(given, {true, true, false}).first.students, 0);
    EXPECT_NE(paced.said.find("1 of 4 networks"), std::string::npos) << paced.said;
    json patient = given;
    patient["max_seconds"] = 1e6;
    const auto [all, told] = paced.keep(patient, {true, true, false});
    EXPECT_EQ(all.members, 3);
    EXPECT_EQ(all.students, 1);
    EXPECT_EQ(told.at("pace").at("students"), 1);
    const auto [given_one, of] =
        paced.keep(given, {true, false, true});  // who asks for one has one, and two to learn from
    EXPECT_EQ(given_one.students, 1);
    EXPECT_EQ(given_one.members, 2);
    EXPECT_EQ(given_one.sampled_items, 0) << "from a sample nobody learns";
    const DatasetOptions nobody = [] {
        DatasetOptions options;
        options.holdout_share = 0;
        return options;
    }();
    paced.shop.data = Dataset(paced.shop.folder / "dataset", nobody);
    EXPECT_EQ(paced.keep(patient, {true, true, false}).first.students, 0)
        << "nothing would tell whether it learned";
}

/// Without a student to answer for them several networks would all be asked.
TEST(Pace, OneNetworkIsTrainedWhereOneIsToAnswerAndNoneCanBeTaught) {
    Paced paced(4000), little(100);
    const json fast = {{"members", nullptr}, {"serving", "fast"}};
    json hurried = fast, patient = fast, drawn = fast;
    hurried["max_seconds"] = 1;
    patient["max_seconds"] = 1e6;
    EXPECT_EQ(paced.keep(hurried, {true, true, false}).first.members, 1);
    EXPECT_EQ(paced.keep(patient, {true, true, false}).first.members, 3);
    EXPECT_EQ(little.keep(fast, {true, true, false}).first.members, 3);
    drawn["sampled_items"] = 9;
    EXPECT_EQ(little.keep(drawn, {true, true, false}).first.members, 1);
}

}  // namespace
}  // namespace seqrec::trainer
