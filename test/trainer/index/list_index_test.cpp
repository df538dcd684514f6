// Lists of items: who is in which, how large they get, and what a search of some of them finds.
#include "index/list_index.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "index/probes.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using seqrec::testing::TempFolder;

constexpr std::int64_t kWidth = 24;

float* row(const Tensor& matrix, std::int64_t i) { return matrix.data_ptr<float>() + i * matrix.size(1); }

float dot(const float* a, const float* b) { return std::inner_product(a, a + kWidth, b, 0.0f); }

/// Unit vectors around `clusters` directions, more around the first ones.
Tensor clustered(std::int64_t items, std::int64_t clusters, std::uint64_t seed = 1) {
    Random random(seed);
    const auto number = [&] { return static_cast<float>(2 * random.uniform() - 1); };
    const Tensor centres = at::empty({clusters, kWidth}), result = at::empty({items, kWidth});
    for (std::int64_t i = 0; i < centres.numel(); ++i) centres.data_ptr<float>()[i] = number();
    for (std::int64_t i = 0; i < items; ++i) {
        const double at = random.uniform();
        const float* centre =
            row(centres, static_cast<std::int64_t>(at * at * static_cast<double>(clusters)));
        for (std::int64_t d = 0; d < kWidth; ++d) row(result, i)[d] = centre[d] + 0.4f * number();
    }
    return result / result.norm(2, 1, true);
}

ListIndex group(const Tensor& items, std::int64_t lists, std::uint64_t seed = 1, int threads = 2) {
    Workers workers(threads);
    return group_items(items, lists, Random(seed), workers, [](double share) { EXPECT_LE(share, 1); });
}

/// Each item is in the list that no other beats by more than rounding; centroids have length 1.
void expect_nearest(const Tensor& items, const ListIndex& index) {
    ASSERT_EQ(static_cast<std::int64_t>(index.list.size()), items.size(0));
    for (std::int64_t l = 0; l < index.lists(); ++l)
        EXPECT_NEAR(dot(row(index.centroids, l), row(index.centroids, l)), 1, 1e-5);
    for (std::int64_t i = 0; i < items.size(0); ++i) {
        const std::int64_t list = index.list[static_cast<std::size_t>(i)];
        ASSERT_TRUE(list >= 0 && list < index.lists()) << list;
        float best = -2;
        for (std::int64_t l = 0; l < index.lists(); ++l)
            best = std::max(best, dot(row(items, i), row(index.centroids, l)));
        ASSERT_NEAR(dot(row(items, i), row(index.centroids, list)), best, 1e-5) << i;
    }
}

std::vector<std::int64_t> sizes(const ListIndex& index) {
    std::vector<std::int64_t> count(static_cast<std::size_t>(index.lists()));
    for (const std::int32_t list : index.list) ++count[static_cast<std::size_t>(list)];
    return count;
}

bool same(const ListIndex& a, const ListIndex& b) {
    return a.list == b.list && at::equal(a.centroids, b.centroids);
}

TEST(ListIndex, EveryItemIsInTheNearestList) {
    for (const std::int64_t lists : {1, 5, 64, 300}) {
        const Tensor items = clustered(5000, 40);
        const ListIndex index = group(items, lists);
        EXPECT_EQ(index.lists(), lists);
        expect_nearest(items, index);
    }
}

TEST(ListIndex, TheSameForASeedWhateverTheThreads) {
    const Tensor items = clustered(5000, 40);
    const ListIndex one = group(items, 64, 1, 1), three = group(items, 64, 1, 3);
    EXPECT_TRUE(same(one, three));
    EXPECT_FALSE(same(one, group(items, 64, 2)));
}

TEST(ListIndex, SplitsWhatIsLarge) {
    Tensor items = clustered(20000, 200);
    // nine items in ten lie close together, in a cap that the first centroids can't all hit
    items.narrow(0, 0, 18000).mul_(0.2).add_(row(items, 0)[0] > 0 ? at::ones({kWidth}) : -at::ones({kWidth}));
    items.div_(items.norm(2, 1, true));
    const ListIndex index = group(items, 256);
    expect_nearest(items, index);
    const auto count = sizes(index);
    EXPECT_LE(*std::max_element(count.begin(), count.end()), 5 * 20000 / 256);
    EXPECT_LE(std::count(count.begin(), count.end(), 0), 2);
}

TEST(ListIndex, TakesWhatNothingCanBeMadeOf) {
    const Tensor two = clustered(2, 2), some = clustered(500, 9);
    const Tensor same_items = two.narrow(0, 0, 1).expand({700, kWidth}).contiguous();
    const Tensor zeros = at::zeros({100, kWidth});
    const Tensor mixed = at::cat({zeros, some, zeros});
    const Tensor opposed = at::cat({two, -two});
    for (const Tensor& items : {two, same_items, zeros, mixed, opposed, two.narrow(0, 0, 1).contiguous()})
        for (const std::int64_t lists : {1, 2, 64}) {
            const ListIndex index = group(items, lists);
            EXPECT_GE(index.lists(), 1);
            EXPECT_LE(index.lists(), std::min(lists, items.size(0)));
            expect_nearest(items, index);
        }
    EXPECT_EQ(group(at::empty({0, kWidth}), 64).lists(), 1);
}

TEST(ListIndex, ListsGrowWithTheSquareRoot) {
    EXPECT_EQ(choose_lists(0), 1);
    EXPECT_EQ(choose_lists(1), 1);
    EXPECT_EQ(choose_lists(2), 2);
    EXPECT_EQ(choose_lists(100), 40);
    EXPECT_EQ(choose_lists(1000), 128);
    EXPECT_EQ(choose_lists(1'000'000), 4032);
    EXPECT_EQ(choose_lists(10'000'000), 12672);
}

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
    const Probes probes = choose_probes(index, items, queries, workers, [](double) {});
    EXPECT_GE(probes.recall, 0.98);
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
    EXPECT_NEAR(probes.recall, found / wanted, 1e-9);
    EXPECT_NEAR(probes.share, read / 100 / 6000, 1e-9);
}

TEST(Probes, OfOneListAreOne) {
    const Tensor items = clustered(3, 3);
    Workers workers(1);
    const Probes probes = choose_probes(group(items, 1), items, {items, std::vector<std::span<const int>>(3)},
                                        workers, [](double) {});
    EXPECT_EQ(probes.count, 1);
    EXPECT_EQ(probes.recall, 1);
    EXPECT_EQ(probes.share, 1);
}

/// Whole jobs: with an index asked for, by few users and by many, and without.
TEST(ListIndex, IsInTheModelFileWhenAskedFor) {
    for (const int users : {20, 150}) {
        const TempFolder folder;
        const auto outcome =
            testing::train(folder, testing::walks(users, 300, 30), 300,
                           {{"dim", 16}, {"members", 2}, {"epochs", 3}, {"threads", 2}, {"index", "ivf"}});
        ASSERT_EQ(outcome.status, 0);
        const auto done = outcome.last("done");
        EXPECT_EQ(done.at("config").at("index"), "ivf");
        EXPECT_EQ(done.at("config").at("lists"), 64);
        EXPECT_EQ(done.at("metrics").at("index_lists"), 64);
        EXPECT_EQ(done.at("config").at("probes"), done.at("metrics").at("index_probes"));
        EXPECT_GT(done.at("metrics").at("index_recall@10").get<double>(), 0.95);
        EXPECT_LE(done.at("metrics").at("index_share").get<double>(), 1);
        EXPECT_TRUE(std::any_of(outcome.events.begin(), outcome.events.end(), [](const auto& event) {
            return event.value("phase", "") == "indexing" && event.contains("percent");
        }));
        const SafetensorsFile model = SafetensorsFile::open(folder / "model");
        const auto lists = model.get<std::int32_t>("item.list", {300});
        EXPECT_TRUE(std::all_of(lists.begin(), lists.end(), [](int l) { return l >= 0 && l < 64; }));
        EXPECT_EQ(model.get<float>("list.centroid", {64, 32}).size(), 64u * 32u);
    }
}

TEST(ListIndex, IsNotThereOtherwise) {
    for (const char* index : {"auto", "none"}) {
        const TempFolder folder;
        const auto outcome = testing::train(folder, testing::walks(40, 30, 20), 30,
                                            {{"dim", 8}, {"epochs", 1}, {"index", index}});
        ASSERT_EQ(outcome.status, 0);
        const auto done = outcome.last("done");
        EXPECT_EQ(done.at("config").at("index"), "none");
        EXPECT_EQ(done.at("config").at("lists"), 0);
        EXPECT_FALSE(done.at("metrics").contains("index_probes"));
        const SafetensorsFile model = SafetensorsFile::open(folder / "model");
        EXPECT_FALSE(model.contains("item.list") || model.contains("list.centroid"));
    }
}

}  // namespace
}  // namespace seqrec::trainer
