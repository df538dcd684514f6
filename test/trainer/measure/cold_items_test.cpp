// Metrics of items held out whole, with the numbers worked out by hand.
#include "measure/cold_items.hpp"

#include <gtest/gtest.h>

#include "featured_shop.hpp"
#include "few_weights.hpp"

namespace seqrec::trainer {
namespace {

using testing::FeaturedData;
using testing::FewWeights;

struct Cold {
    seqrec::testing::TempFolder folder;
    Dataset data;

    explicit Cold(double share) : data(written(), options(share)) {}

  private:
    static DatasetOptions options(double share) {
        DatasetOptions options = testing::with_repeats("keep");
        options.cold_share = share;
        return options;
    }
    std::string written() const {
        FeaturedData data{.sequences = testing::walks(500, 60, 10), .items = 60};
        data.damage["item.vector"] = at::ones({60, 2});
        data.write(folder / "dataset");
        return folder / "dataset";
    }
};

/// Weights that score every item by a number of its own.
FewWeights scored_by(const at::Tensor& scores, std::int64_t users) {
    return {scores.unsqueeze(1), at::ones({users, 1})};
}

TEST(ColdMetrics, AreNoneWithoutItemsHeldOut) {
    const Cold shop(0);
    Workers workers(1);
    EXPECT_TRUE(
        cold_metrics(shop.data, scored_by(at::rand({60}), shop.data.users()), {}, workers, [](double) {
        }).empty());
}

TEST(ColdMetrics, TellColdFromWarm) {
    const Cold shop(0.5);
    Workers workers(2);
    at::Tensor scores = at::arange(60, at::kFloat) / 60;
    for (const std::int32_t item : shop.data.held_out_items()) scores[item] += 1;  // all above the others
    const auto metrics =
        cold_metrics(shop.data, scored_by(scores, shop.data.users()), {}, workers, [](double) {});
    EXPECT_EQ(metrics["cold_items"], 30);
    EXPECT_EQ(metrics["cold_exposure@10"], 1.0);
    EXPECT_EQ(metrics["cold_recall@10"], metrics["cold_all_recall@10"]);  // nothing else comes between
    EXPECT_NEAR(metrics["cold_random_recall@10"].get<double>(), 10.0 / 30, 1e-9);
    for (const std::int32_t item : shop.data.held_out_items()) scores[item] -= 2;  // all below
    const auto hidden =
        cold_metrics(shop.data, scored_by(scores, shop.data.users()), {}, workers, [](double) {});
    EXPECT_EQ(hidden["cold_recall@10"], metrics["cold_recall@10"]);  // among themselves nothing has changed
    EXPECT_EQ(hidden["cold_all_recall@10"], 0.0);
    EXPECT_EQ(hidden["cold_exposure@10"], 0.0);
    EXPECT_EQ(metrics["cold_cost@10"], 1.0) << "all ten places are theirs";
    EXPECT_EQ(hidden["cold_cost@10"], 0.0);
}

TEST(ColdMetrics, CountTiesAgainstTheModel) {
    const Cold shop(0.5);
    Workers workers(1);
    const auto metrics =
        cold_metrics(shop.data, scored_by(at::ones({60}), shop.data.users()), {}, workers, [](double) {});
    EXPECT_EQ(metrics["cold_recall@10"], 0.0);
}

}  // namespace
}  // namespace seqrec::trainer
