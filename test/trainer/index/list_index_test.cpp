// Lists of items: who is in which, how large they get, and what a search of some of them finds.
#include "index/list_index.hpp"

#include <algorithm>

#include "index/catalogue.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using seqrec::testing::TempFolder;
using testing::clustered;
using testing::dot;
using testing::group;
using testing::kWidth;
using testing::row;
using testing::sizes;

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
