// What this process counts.
#include "counters.hpp"

#include <gtest/gtest.h>

#include "http/router.hpp"

namespace seqrec::sidecar {
namespace {

TEST(Counters, KeepsRoutesApart) {
    Counters counters;
    const Route one{"GET", "/one", false, {}}, two{"GET", "/two", false, {}};
    for (const unsigned code : {200, 200, 503, 204})
        counters.record_request(&one, code, std::chrono::milliseconds(2));
    counters.record_request(&two, 200, std::chrono::milliseconds(2));
    counters.record_request(nullptr, 404, std::chrono::milliseconds(2));
    ASSERT_EQ(counters.requests().size(), 3U);
    const auto& counts = counters.requests().front();
    EXPECT_EQ(counts.by_status,
              (std::vector<std::pair<unsigned, std::uint64_t>>{{200, 2}, {503, 1}, {204, 1}}));
    EXPECT_EQ(counts.seconds_by_class[2]->counts()[2], 3U);  // up to 2.5 ms
    EXPECT_FALSE(counts.seconds_by_class[4]);
}

TEST(Counters, AddUpWhatAnswersWere) {
    Counters counters;
    counters.record_fallback();
    counters.record_history_unavailable();
    counters.record_history_unavailable();
    counters.record_unknown_ids(3);
    counters.record_unknown_ids(4);
    counters.begin_request();
    counters.begin_request();
    counters.end_request();
    EXPECT_EQ(counters.fallbacks(), 1U);
    EXPECT_EQ(counters.histories_unavailable(), 2U);
    EXPECT_EQ(counters.unknown_ids(), 7U);
    EXPECT_EQ(counters.in_flight(), 1);
}

/// A status that no class is kept for must not be written past the classes.
TEST(Counters, TakeAnyStatus) {
    Counters counters;
    for (const unsigned status : {0U, 99U, 599U, 999U})
        counters.record_request(nullptr, status, std::chrono::seconds(1));
    EXPECT_EQ(counters.requests().front().by_status.size(), 4U);
    EXPECT_EQ(counters.requests().front().seconds_by_class[5]->sum(), 2);
}

}  // namespace
}  // namespace seqrec::sidecar
