// What is decided before a training begins, and that an interrupted one does not decide again.
#include "kinds/transformer/plan.hpp"

#include <gtest/gtest.h>

#include "run/checkpoint.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

struct Planned {
    testing::Shop shop{testing::walks(4000, 60, 40), 60};
    Workers workers{1};
    seqrec::testing::TempFolder folder;

    Plan make(const json& options, Settings* used = nullptr) {
        Settings settings(testing::small_options(options), shop.data, nullptr);
        ::testing::internal::CaptureStdout();
        Reporter reporter;
        const Run run{shop.data, workers, reporter, folder / "checkpoint"};
        const Plan plan = make_plan(run, settings, {true, true, true}, Random(1), {}, std::nullopt);
        ::testing::internal::GetCapturedStdout();
        if (used) *used = settings;
        return plan;
    }
};

TEST(Plan, FitsTheTime) {
    Planned planned;
    const Plan plan = planned.make({{"members", 3}, {"max_seconds", 1}, {"context_use", "none"}});
    EXPECT_EQ(plan.members, 1);
    EXPECT_FALSE(plan.trains_content);
    EXPECT_FALSE(plan.context.any());
    EXPECT_GT(plan.seconds, 0);
    EXPECT_TRUE(plan.metrics.contains("pace"));
}

TEST(Plan, IsReadAsItWasWritten) {
    const Plan plan{3, 1, 7, true, {true, false}, {{"pace", {{"labels_per_s", 5}}}}, 0.1, 0.3};
    const json written = json::parse(plan.to_json().dump());
    EXPECT_EQ(Plan::from_json(written).to_json(), plan.to_json());
    for (const auto& [name, value] : written.items()) {
        json without = written;
        without.erase(name);
        EXPECT_EQ(seqrec::testing::error_of([&] { (void)Plan::from_json(without); }), "XX001") << name;
    }
}

/// By itself it would train one network: its checkpoint would be another training's.
TEST(Plan, GoesOnAsTheCheckpointHasIt) {
    Planned planned;
    const Plan before{2, 1, 7, false, {}, {{"pace", {{"labels_per_s", 5}}}}, 0.1, 0.3};
    Checkpoint(planned.folder / "checkpoint.0", planned.shop.data.job())
        .write(json::object(), {{"plan", before.to_json()}}, {{"x", at::ones({1})}});
    std::optional<Settings> used;
    used.emplace(testing::small_options(json::object()), planned.shop.data, nullptr);
    const Plan plan = planned.make({{"members", 3}, {"max_seconds", 1}}, &*used);
    EXPECT_EQ(plan.to_json(), before.to_json());
    EXPECT_EQ(used->members, 2);
    EXPECT_EQ(used->students, 1);
    EXPECT_EQ(used->sampled_items, 7);
}

}  // namespace
}  // namespace seqrec::trainer
