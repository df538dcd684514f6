#include "core/measure/event_log.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace seqrec {
namespace {

using Items = std::vector<std::int32_t>;

Items items_of(const EventLog& log, std::int64_t user) {
    const auto items = log.items(user);
    return {items.begin(), items.end()};
}

/// Ten rows: a user with repeats, one of two rows, one who comes late.
EventLog ten_rows(const EventRules& rules) {
    EventLog log(rules, true);
    log.begin_user();
    for (const auto& [item, time] : {std::pair{7, 1.0}, {7, 2.0}, {8, 3.0}, {7, 4.0}, {9, 5.0}})
        log.add(item, time, static_cast<float>(item));
    log.begin_user();
    for (const auto& [item, time] : {std::pair{8, 1.0}, {9, 6.0}}) log.add(item, time);
    log.begin_user();
    for (const auto& [item, time] : {std::pair{9, 7.0}, {8, 8.0}, {7, 10.0}}) log.add(item, time);
    return log;
}

TEST(EventLog, KeepsRepeats) {
    const EventLog log = ten_rows({.keeps_repeats = true});
    EXPECT_EQ(log.users(), 3);
    EXPECT_EQ(log.rows(), 10);
    EXPECT_EQ(log.events(), 10);
    EXPECT_EQ(items_of(log, 0), (Items{7, 7, 8, 7, 9}));
    EXPECT_EQ(items_of(log, 2), (Items{9, 8, 7}));
    EXPECT_EQ(log.times(1)[1], 6);
    EXPECT_EQ(log.labels(0)[2], 8);
    EXPECT_TRUE(std::isnan(log.labels(1)[0]));
}

TEST(EventLog, MergesDoubleClicks) {
    const EventLog log = ten_rows({.keeps_repeats = true, .merge_seconds = 1});
    EXPECT_EQ(items_of(log, 0), (Items{7, 8, 7, 9}));
    EXPECT_EQ(items_of(ten_rows({.keeps_repeats = true, .merge_seconds = 0.5}), 0), (Items{7, 7, 8, 7, 9}));
}

TEST(EventLog, ReducesRepeatsToTheFirst) {
    const EventLog log = ten_rows({.keeps_repeats = false});
    EXPECT_EQ(log.rows(), 10);
    EXPECT_EQ(log.events(), 8);
    EXPECT_EQ(items_of(log, 0), (Items{7, 8, 9}));
    EXPECT_EQ(log.times(0)[1], 3);
    EXPECT_EQ(items_of(log, 1), (Items{8, 9}));  // what others had is no repeat
    EXPECT_EQ(log.all_times().size(), 10u);
}

TEST(EventLog, ForgetsTheRowBeforeWithItsUser) {
    EventLog log({.keeps_repeats = true, .merge_seconds = 100});
    for (int user = 0; user < 2; ++user) {
        log.begin_user();
        log.add(3, 1);
    }
    EXPECT_EQ(log.events(), 2);
}

TEST(HoldOut, LeavesOneOut) {
    const HeldOut held = hold_out(ten_rows({.keeps_repeats = true}), Split::LeaveOneOut);
    EXPECT_EQ(held.questions, (std::vector<Question>{{0, 4}, {2, 2}}));  // the second has two
    EXPECT_EQ(held.training, (Items{3, 2, 1}));
}

TEST(HoldOut, AsksForTheLastTenthOfTheTime) {
    // Times 1 1 2 3 4 5 6 7 8 10: nine tenths are not later than 8, eight tenths not later than 7.
    const EventLog log = ten_rows({.keeps_repeats = true});
    const Periods periods = periods_of(log.all_times());
    EXPECT_EQ(periods.test_after, 8);
    EXPECT_EQ(periods.validation_after, 7);
    const HeldOut held = hold_out(log, Split::Time);
    EXPECT_EQ(held.questions, (std::vector<Question>{{2, 2}}));
    EXPECT_EQ(held.training, (Items{5, 2, 1}));
}

TEST(HoldOut, LeavesNoPeriodEmptyForACoarseClock) {
    const std::vector<double> days = {1, 1, 1, 2, 2, 2, 3, 3, 3, 3};
    EXPECT_EQ(periods_of(days).test_after, 2);
    EXPECT_EQ(periods_of(days).validation_after, 1);
}

TEST(HoldOut, AsksForEveryNextEventOfHeldOutRows) {
    const HeldOut held = hold_out(ten_rows({.keeps_repeats = false}), Split::HeldOut);
    EXPECT_EQ(held.questions, (std::vector<Question>{{0, 1}, {0, 2}, {1, 1}, {2, 1}, {2, 2}}));
    EXPECT_EQ(held.training, (Items{0, 0, 0}));
    EXPECT_EQ(users_of(held.questions), 3);
}

TEST(HoldOut, ThinsOutUsersEvenly) {
    std::vector<Question> all;
    for (std::int32_t user = 0; user < 10; ++user)
        for (std::int32_t at = 1; at < 3; ++at) all.push_back({user, at});
    for (std::int64_t most : {1, 3, 7, 9}) {
        auto some = all;
        thin_out_users(some, most);
        EXPECT_EQ(users_of(some), most);
        EXPECT_EQ(std::ssize(some), 2 * most);
        for (std::int64_t i = 0; i < most; ++i)
            EXPECT_EQ(some[static_cast<std::size_t>(2 * i)].user, i * 10 / most);
    }
    auto some = all;
    thin_out_users(some, 0);
    EXPECT_EQ(some, all);
}

}  // namespace
}  // namespace seqrec
