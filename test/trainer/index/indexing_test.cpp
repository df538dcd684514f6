// The index of a model: when there is one, and that it finds the best whatever form scores have.
#include "index/indexing.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "few_weights.hpp"
#include "index/catalogue.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::clustered;
using testing::FewWeights;
using testing::kWidth;
using testing::row;

constexpr std::int64_t kItems = 4000, kUsers = 300;

TEST(Indexing, IsWantedWhereASearchOfAllTakesLong) {
    const auto rows = [](std::int64_t items, std::int64_t width) {
        return at::empty({items, 1}).expand({items, width});
    };
    const Tensor few = rows(299'999, 64), many = rows(300'000, 16), wide = rows(200'000, 501);
    EXPECT_TRUE(wants_index("ivf", few));
    EXPECT_FALSE(wants_index("auto", few));
    EXPECT_TRUE(wants_index("auto", many));
    EXPECT_TRUE(wants_index("auto", wide));
    EXPECT_FALSE(wants_index("none", many));
}

struct Indexed {
    ModelIndex index;
    std::string output;
};

Indexed index_of(const Weights& weights, const ScoreForm& form, std::int64_t users = kUsers,
                 std::uint64_t seed = 1) {
    const testing::Shop shop(testing::Sequences(static_cast<std::size_t>(users), {5, 17, 2999}), kItems);
    Workers workers(2);
    ::testing::internal::CaptureStdout();
    Indexed indexed;
    {
        Reporter reporter;
        indexed.index = index_items(weights, weights.item_rows(), form, shop.data, seed, workers, reporter);
    }
    indexed.output = ::testing::internal::GetCapturedStdout();
    return indexed;
}

/// Rows whose lengths differ five times, with a column of their own that a query has 1 in.
FewWeights biased_weights() {
    Random random(8);
    const Tensor items = at::zeros({kItems, kWidth + 1}), users = at::zeros({kUsers, kWidth + 1});
    items.narrow(1, 0, kWidth).copy_(clustered(kItems, 40));
    users.narrow(1, 0, kWidth).copy_(clustered(kUsers, 40));
    for (std::int64_t i = 0; i < kItems; ++i) {
        items.select(0, i).mul_(0.5 + 2 * random.uniform());
        row(items, i)[kWidth] = static_cast<float>(0.8 * random.uniform() - 0.4);
    }
    users.mul_(2).select(1, kWidth).fill_(1);
    return {items, users};
}

/// The share of the exact ten best of every other user that lie in the lists nearest to the query: what a
/// search does, which knows the centroids as the model file has them.
double recall_of(const ModelIndex& index, const Tensor& items, const Tensor& queries) {
    double found = 0, wanted = 0;
    for (std::int64_t q = 1; q < queries.size(0); q += 2) {
        const Tensor query = queries.select(0, q);
        const auto nearest = std::get<1>(index.items.centroids.mv(query).topk(index.probes.count));
        std::set<std::int64_t> lists(nearest.data_ptr<std::int64_t>(),
                                     nearest.data_ptr<std::int64_t>() + nearest.numel());
        Tensor scores = items.mv(query);
        for (const std::int64_t seen : {5, 17, 2999}) scores[seen] = -1e30;
        const auto best = std::get<1>(scores.topk(10));
        for (std::int64_t b = 0; b < 10; ++b, ++wanted)
            found += static_cast<double>(
                lists.count(index.items.list[static_cast<std::size_t>(best.data_ptr<std::int64_t>()[b])]));
    }
    return found / wanted;
}

TEST(Indexing, FindsTheBestOfDotProductsWithABias) {
    const FewWeights weights = biased_weights();
    const ScoreForm form{Link::Dot, true, false};
    const ModelIndex index = index_of(weights, form).index;
    EXPECT_EQ(index.items.lists(), choose_lists(kItems));
    // the column that makes up for short rows is the index's own: a search has no number for it
    EXPECT_EQ(index.items.centroids.size(1), kWidth + 1);
    EXPECT_TRUE(index.items.centroids.is_contiguous());
    EXPECT_GE(index.probes.recall.front(), kWantedRecall);
    EXPECT_LT(index.probes.share, 0.7);
    EXPECT_NEAR(recall_of(index, weights.item_rows(), weights.user_rows()), index.probes.recall.front(),
                0.005);
}

TEST(Indexing, FindsTheNearestByCosine) {
    const FewWeights weights(3 * clustered(kItems, 40), clustered(kUsers, 40));  // lengths don't matter
    const ModelIndex index = index_of(weights, {}).index;
    EXPECT_GE(index.probes.recall.front(), kWantedRecall);
    EXPECT_LT(index.probes.share, 0.5);
    EXPECT_NEAR(recall_of(index, weights.item_rows(), weights.user_rows()), index.probes.recall.front(),
                0.005);
}

/// A model that knows too few users is asked with directions near its items.
TEST(Indexing, TakesItemsForUsersWhereThoseAreFew) {
    const FewWeights weights(clustered(kItems, 40), at::zeros({5, kWidth}));
    const ModelIndex index = index_of(weights, {}, 5).index;
    EXPECT_GE(index.probes.recall.front(), 0.95);
    EXPECT_GT(index.probes.count, 0);
}

TEST(Indexing, IsTheSameForASeed) {
    const FewWeights weights(clustered(kItems, 40), clustered(kUsers, 40));
    const ModelIndex one = index_of(weights, {}).index, same = index_of(weights, {}).index;
    EXPECT_EQ(one.items.list, same.items.list);
    EXPECT_EQ(one.probes.count, same.probes.count);
    EXPECT_NE(one.items.list, index_of(weights, {}, kUsers, 2).index.items.list);
}

TEST(Indexing, TellsHowFarItIsAndWhatCameOfIt) {
    const FewWeights weights(clustered(kItems, 40), clustered(kUsers, 40));
    const Indexed indexed = index_of(weights, {});
    const auto events = testing::read_events(indexed.output);
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events[0].at("percent"), 0);
    for (const auto& event : events) {
        EXPECT_EQ(event.at("phase"), "indexing");
        EXPECT_LE(event.at("percent").get<double>(), 100);
    }
    const nlohmann::json metrics = indexed.index.metrics();
    EXPECT_EQ(metrics.at("index_lists"), indexed.index.items.lists());
    EXPECT_EQ(metrics.at("index_probes"), indexed.index.probes.count);
    EXPECT_EQ(metrics.at("index_recall@10"), indexed.index.probes.recall.front());
    EXPECT_EQ(metrics.at("index_share"), indexed.index.probes.share);
    EXPECT_EQ(metrics.at("index_similar_recall@10"), indexed.index.probes.recall[1]);
    EXPECT_EQ(metrics.at("index_cost"), indexed.index.cost());
}

TEST(Indexing, PaysWhereItCostsAFifth) {
    ModelIndex index;
    index.items.centroids = at::zeros({100, 8});
    index.items.list.resize(10'000);
    index.probes = {5, {0.996, 0.995}, 0.15};
    EXPECT_DOUBLE_EQ(index.cost(), 0.19);  // a centroid's number is four bytes
    EXPECT_TRUE(index.pays());
    index.probes.share = 0.17;
    EXPECT_FALSE(index.pays());
}

struct Chosen {
    std::optional<ModelIndex> index;
    nlohmann::json config, metrics = nlohmann::json::object();
};

/// As trainings ask, for a catalogue just large enough; two columns, so that it takes no time.
Chosen choose(const std::string& wanted, const Tensor& items) {
    const testing::Shop shop(testing::Sequences(static_cast<std::size_t>(kUsers), {5, 17, 2999}),
                             items.size(0));
    const FewWeights weights(items, items.narrow(0, 0, kUsers));
    Workers workers(2);
    Chosen chosen;
    ::testing::internal::CaptureStdout();
    {
        Reporter reporter;
        chosen.index = choose_index({{"index", wanted}, {"seed", 1}}, weights, {}, shop.data, chosen.config,
                                    chosen.metrics, workers, reporter);
    }
    (void)::testing::internal::GetCapturedStdout();
    return chosen;
}

TEST(Indexing, IsChosenByWhatItCostsAndFinds) {
    const Tensor angle = at::arange(0, 300'000, at::kDouble) * 2.399963;
    const Tensor around = at::stack({angle.cos(), angle.sin()}, 1).to(at::kFloat).contiguous(),
                 equal = at::ones({300'000, 2});
    const Chosen kept = choose("auto", around);
    ASSERT_TRUE(kept.index);
    EXPECT_EQ(kept.config, (nlohmann::json{{"index", "ivf"},
                                           {"lists", kept.index->items.lists()},
                                           {"probes", kept.index->probes.count}}));
    EXPECT_EQ(kept.metrics.at("index_choice").get<std::string>().find("ivf: a search reads "), 0u);
    const Chosen dropped = choose("auto", equal);  // all in one list
    EXPECT_FALSE(dropped.index);
    EXPECT_EQ(dropped.config, (nlohmann::json{{"index", "none"}, {"lists", 0}, {"probes", 0}}));
    EXPECT_EQ(dropped.metrics.at("index_choice").get<std::string>().find("none: a search reads 1"), 0u);
    EXPECT_TRUE(choose("ivf", equal).index);
    const Chosen none = choose("none", around);
    EXPECT_FALSE(none.index);
    EXPECT_TRUE(none.metrics.empty());
}

/// Rows of no length, equal rows, two items: there is an index all the same.
TEST(Indexing, TakesRowsThatNothingCanBeMadeOf) {
    for (const Tensor& rows : {at::zeros({kItems, kWidth}), at::ones({kItems, kWidth})})
        for (const Link link : {Link::Cosine, Link::Dot}) {
            const ModelIndex index =
                index_of(FewWeights(rows, at::ones({kUsers, kWidth})), {link, false, false}).index;
            EXPECT_TRUE(index.items.centroids.isfinite().all().item<bool>());
            EXPECT_GE(index.probes.count, 1);
            EXPECT_EQ(index.items.list.size(), static_cast<std::size_t>(kItems));
        }
}

}  // namespace
}  // namespace seqrec::trainer
