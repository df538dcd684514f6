// How many lists are read, and that what is promised of them is what a search finds.
#include "index/probes.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "index/catalogue.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::clustered;
using testing::dot;
using testing::group;
using testing::row;
using testing::sizes;

/// The exact `k` best of one query among the items of some lists.
std::set<std::int64_t> search(const Tensor& items, const float* query, const ListIndex& index,
                              const std::vector<bool>& lists, std::size_t k,
                              std::span<const std::int32_t> seen) {
    std::vector<std::pair<float, std::int64_t>> scored;
    for (std::int64_t i = 0; i < items.size(0); ++i)
        if (lists[static_cast<std::size_t>(index.list[static_cast<std::size_t>(i)])] &&
            std::find(seen.begin(), seen.end(), i) == seen.end())
            scored.emplace_back(-dot(query, row(items, i)), i);
    std::sort(scored.begin(), scored.end());
    std::set<std::int64_t> best;
    for (std::size_t i = 0; i < std::min(k, scored.size()); ++i) best.insert(scored[i].second);
    return best;
}

std::vector<bool> nearest_lists(const ListIndex& index, const float* query, std::int64_t probes) {
    std::vector<std::pair<float, std::int64_t>> scored;
    for (std::int64_t l = 0; l < index.lists(); ++l)
        scored.emplace_back(-dot(query, row(index.centroids, l)), l);
    std::sort(scored.begin(), scored.end());
    std::vector<bool> lists(static_cast<std::size_t>(index.lists()));
    for (std::int64_t l = 0; l < probes; ++l)
        lists[static_cast<std::size_t>(scored[static_cast<std::size_t>(l)].second)] = true;
    return lists;
}

/// What choose_probes promises is what a search of so many lists finds and reads.
TEST(Probes, AreMeasuredAsSearchesFind) {
    const Tensor items = clustered(6000, 60), vectors = clustered(200, 60, 1);
    const ListIndex index = group(items, 96);
    const std::vector<std::int32_t> seen = {5, 17, 2999, 5, 0};
    Queries queries{vectors, std::vector<std::span<const std::int32_t>>(200, seen)};
    Workers workers(2);
    const Probes probes = choose_probes(index, items, std::span(&queries, 1), workers, [](double) {});
    EXPECT_GE(probes.recall.front(), kWantedRecall);
    EXPECT_LT(probes.share, 0.5);
    const std::vector<std::int64_t> count = sizes(index);
    double found = 0, wanted = 0, read = 0;
    for (std::int64_t q = 1; q < 200; q += 2) {
        const auto lists = nearest_lists(index, row(vectors, q), probes.count);
        const auto all = search(items, row(vectors, q), index, std::vector<bool>(96, true), 10, seen);
        const auto some = search(items, row(vectors, q), index, lists, 10, seen);
        for (const std::int64_t item : all) found += static_cast<double>(some.count(item));
        wanted += static_cast<double>(all.size());
        for (std::size_t l = 0; l < count.size(); ++l) read += lists[l] ? static_cast<double>(count[l]) : 0;
    }
    EXPECT_NEAR(probes.recall.front(), found / wanted, 1e-9);
    EXPECT_NEAR(probes.share, read / 100 / 6000, 1e-9);
}

TEST(Probes, OfOneListAreOne) {
    const Tensor items = clustered(3, 3);
    Workers workers(1);
    const Queries queries{items, std::vector<std::span<const int>>(3)};
    const Probes probes =
        choose_probes(group(items, 1), items, std::span(&queries, 1), workers, [](double) {});
    EXPECT_EQ(probes.count, 1);
    EXPECT_EQ(probes.recall.front(), 1);
    EXPECT_EQ(probes.share, 1);
}

/// Two lists, each query's ten best in its own: one list is enough, and half of the items are read.
TEST(Probes, AreAsFewAsWillDo) {
    const Tensor items = at::zeros({40, testing::kWidth});
    for (std::int64_t i = 0; i < 40; ++i) row(items, i)[i / 20] = 1;
    ListIndex index{at::eye(2, testing::kWidth).contiguous(), {}};
    for (std::int64_t i = 0; i < 40; ++i) index.list.push_back(static_cast<std::int32_t>(i / 20));
    const Tensor queries = items.narrow(0, 15, 10).contiguous();
    Workers workers(2);
    const auto measure = [&](const std::vector<std::int32_t>& seen) {
        const Queries asked{queries, std::vector<std::span<const std::int32_t>>(10, seen)};
        return choose_probes(index, items, std::span(&asked, 1), workers,
                             [](double share) { EXPECT_LE(share, 1); });
    };
    const Probes probes = measure({});
    EXPECT_EQ(probes.count, 1);
    EXPECT_EQ(probes.recall.front(), 1);
    EXPECT_EQ(probes.share, 0.5);
    std::vector<std::int32_t> first_list(20);  // seen: the ten best of who likes it lie in the other one
    std::iota(first_list.begin(), first_list.end(), 0);
    EXPECT_EQ(measure(first_list).count, 2);
}

/// Half of the queries find all in one list, of the others one in a hundred needs both lists for its ten best.
TEST(Probes, LeaveRoomForChance) {
    constexpr std::int64_t kQueries = 800;
    const Tensor items = at::zeros({40, testing::kWidth}), vectors = at::zeros({kQueries, testing::kWidth});
    for (std::int64_t i = 0; i < 40; ++i) row(items, i)[i / 20] = 1;
    ListIndex index{at::eye(2, testing::kWidth).contiguous(), {}};
    for (std::int64_t i = 0; i < 40; ++i) index.list.push_back(static_cast<std::int32_t>(i / 20));
    std::vector<std::int32_t> first_list(20);
    std::iota(first_list.begin(), first_list.end(), 0);
    Queries queries{vectors, std::vector<std::span<const std::int32_t>>(kQueries)};
    Workers workers(2);
    const auto lists_for = [&](std::int64_t chosen, std::int64_t rest) {  // of 400 queries each
        for (std::int64_t q = 0; q < kQueries; ++q) {
            row(vectors, q)[0] = 1;
            const bool far = q % 2 == 0 ? q / 2 < chosen : q / 2 < rest;
            queries.seen[static_cast<std::size_t>(q)] =
                far ? std::span<const std::int32_t>(first_list) : std::span<const std::int32_t>();
        }
        return choose_probes(index, items, std::span(&queries, 1), workers, [](double) {}).count;
    };
    EXPECT_EQ(lists_for(0, 0), 1);
    EXPECT_EQ(lists_for(0, 2), 1);  // .995 on the rest
    EXPECT_EQ(lists_for(2, 0), 2);  // as much where it is chosen, which may be luck
    EXPECT_EQ(lists_for(0, 3), 2);  // the rest say that it was
}

/// Every kind of queries is to be found.
TEST(Probes, SuitAllKindsOfQueries) {
    const Tensor items = clustered(6000, 60);
    const ListIndex index = group(items, 96);
    const std::vector<std::span<const std::int32_t>> none(200);
    const std::array<Queries, 2> kinds{Queries{clustered(200, 60), none},
                                       Queries{at::randn({200, testing::kWidth}), none}};
    Workers workers(2);
    const auto count = [&](std::span<const Queries> asked) {
        return choose_probes(index, items, asked, workers, [](double share) { EXPECT_LE(share, 1); });
    };
    const Probes both = count(kinds);
    EXPECT_EQ(both.count,
              std::max(count(std::span(kinds).first(1)).count, count(std::span(kinds).last(1)).count));
    ASSERT_EQ(both.recall.size(), 2u);
    for (const double recall : both.recall) EXPECT_GE(recall, kWantedRecall);
}

}  // namespace
}  // namespace seqrec::trainer
