// Who is served in the end: students, or those they learned from.
#include "kinds/transformer/students.hpp"

#include <gtest/gtest.h>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr std::int64_t kStudentItems = 30;

/// Two networks that were trained on cycles of items, and a student that is trained at some learning rate, for some epochs.
struct School {
    testing::Shop shop{testing::walks(300, kStudentItems, 12), kStudentItems};
    Workers workers{1};
    Moments none;
    Turn turn{.of = 3};
    Random random{1};

    Settings settings(const json& given) {
        json options = {
            {"dim", 16}, {"max_len", 12}, {"learning_rate", 0.02}, {"batch_tokens", 200}, {"dropout", 0.2}};
        options.update(given);
        return {testing::small_options(options), shop.data, nullptr};
    }
    Members fresh(const Settings& settings, int count) {
        Members start;
        for (int m = 0; m < count; ++m)
            start.push_back(
                {Transformer(settings, kStudentItems, random), at::zeros({shop.data.users(), settings.dim})});
        return start;
    }
    Graduation run(const json& of_members, const json& of_students) {
        ::testing::internal::CaptureStdout();
        Reporter reporter;
        const Run run{shop.data, workers, reporter};
        const Settings before = settings(of_members), after = settings(of_students);
        const EpochSettings first = before.course(), second = after.course();
        const Networks members = train_each({run, before, first, {}, none}, fresh(before, 2), turn, random);
        Graduation done = teach({run, after, second, {}, none}, members, fresh(after, 1), turn, random);
        ::testing::internal::GetCapturedStdout();
        return done;
    }
};

TEST(Students, AreServedWhereTheyRankAsWell) {
    School school;
    const Graduation done = school.run({{"epochs", 4}}, {{"epochs", 20}});
    const json& told = done.metrics.at("teaching");
    EXPECT_GT(told.at("students_ndcg@10"), 0.2);  // popularity has less
    EXPECT_EQ(told.at("teachers"), 2);
    ASSERT_EQ(done.config.at("students"), 1) << told.dump();
    EXPECT_EQ(done.served.measured.size(), 1U);
    EXPECT_EQ(school.turn.number, 3);
    EXPECT_GT(school.turn.before.epochs, 8);
}

TEST(Students, AreNotServedWhereTheyRankWorse) {
    School school;
    const Graduation done = school.run({{"epochs", 8}}, {{"epochs", 1}, {"learning_rate", 1e-8}});
    EXPECT_EQ(done.config.at("students"), 0) << done.metrics.dump();
    EXPECT_EQ(done.config.at("members"), 2);
    EXPECT_EQ(done.served.served.size(), 2U);
}

/// Who wants one network to answer has one, and is told in the metrics what that costs.
TEST(Students, AreServedAllTheSameWhereOneIsToAnswer) {
    School school;
    const Graduation done = school.run(
        {{"epochs", 8}}, {{"epochs", 1}, {"learning_rate", 1e-8}, {"members", nullptr}, {"serving", "fast"}});
    EXPECT_EQ(done.config.at("students"), 1);
    EXPECT_EQ(done.served.served.size(), 1U);
    const json& told = done.metrics.at("teaching");
    EXPECT_LT(told.at("students_ndcg@10"), told.at("teachers_ndcg@10"));
}

TEST(Students, MayBeAHundredthWorseAndNoMore) {
    EXPECT_TRUE(ranks_as_well(0.0991, 0.1));
    EXPECT_FALSE(ranks_as_well(0.0989, 0.1));
    EXPECT_FALSE(ranks_as_well(0.0, 0.0)) << "nobody learned anything";
    EXPECT_TRUE(ranks_as_well(json(), json())) << "nobody can tell";
}

}  // namespace
}  // namespace seqrec::trainer
