// Lines that a worker reads: whole, in order, and at least one a second.
#include "run/reporter.hpp"

#include <chrono>
#include <thread>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

/// What `report` prints, line by line.
template <typename Report>
std::vector<json> lines_of(Report&& report) {
    ::testing::internal::CaptureStdout();
    {
        Reporter reporter;
        report(reporter);
    }
    return testing::read_events(::testing::internal::GetCapturedStdout());
}

TEST(Reporter, PrintsEventsAtOnceAndInOrder) {
    const auto lines = lines_of([](Reporter& reporter) {
        reporter.event("epoch", {{"epoch", 1}});
        reporter.warning("low on sugar");
        reporter.line("{\"event\":\"error\"}\n");
    });
    EXPECT_EQ(lines, (std::vector<json>{{{"event", "epoch"}, {"epoch", 1}},
                                        {{"event", "warning"}, {"message", "low on sugar"}},
                                        {{"event", "error"}}}));
}

/// Messages may hold anything, files' names for one.
TEST(Reporter, WritesWhatIsNoUtf8AsJsonAllTheSame) {
    const auto lines = lines_of([](Reporter& reporter) { reporter.warning("a\nb\"\xff\x01"); });
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].at("message"), "a\nb\"\xef\xbf\xbd\x01");
}

TEST(Reporter, LeavesOutProgressThatComesTooOften) {
    const auto lines = lines_of([](Reporter& reporter) {
        for (int step = 0; step < 1000; ++step) reporter.progress({{"phase", "training"}, {"step", step}});
    });
    EXPECT_GE(lines.size(), 1U);
    EXPECT_LT(lines.size(), 20U);
    EXPECT_EQ(lines[0].at("step"), 0);
}

TEST(Reporter, ANewPhaseIsToldAtOnce) {
    const auto lines = lines_of([](Reporter& reporter) {
        for (const char* phase : {"loading", "training", "evaluating", "writing"})
            reporter.progress({{"phase", phase}});
    });
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[3].at("phase"), "writing");
}

TEST(Reporter, RepeatsTheLatestProgressWhileNothingHappens) {
    const auto lines = lines_of([](Reporter& reporter) {
        reporter.progress({{"phase", "training"}, {"step", 1}});
        reporter.progress({{"phase", "training"}, {"step", 2}});  // too soon to be printed
        std::this_thread::sleep_for(2s);
    });
    ASSERT_GE(lines.size(), 2U);
    EXPECT_LE(lines.size(), 4U);
    for (std::size_t i = 1; i < lines.size(); ++i) EXPECT_EQ(lines[i].at("step"), 2);
}

TEST(Reporter, LinesOfManyThreadsStayWhole) {
    const auto lines = lines_of([](Reporter& reporter) {
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 4; ++thread)
            threads.emplace_back([&reporter, thread] {
                for (int i = 0; i < 50; ++i)
                    reporter.event("epoch", {{"text", std::string(200, static_cast<char>('a' + thread))}});
            });
        for (std::thread& thread : threads) thread.join();
    });
    EXPECT_EQ(lines.size(), 200U);  // each of them parsed
}

}  // namespace
}  // namespace seqrec::trainer
