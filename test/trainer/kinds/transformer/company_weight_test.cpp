// How much of a teaching is what counting says.
#include "kinds/transformer/company_weight.hpp"

#include <gtest/gtest.h>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::int64_t kItems = 40;

/// Networks that know nothing, beside a shop in which everything was had together with what follows it.
CompanyWeight chosen(const testing::Shop& shop, int threads) {
    const Settings settings(testing::small_options({}), shop.data, nullptr);
    Random random(3);
    const Members members = {
        {Transformer(settings, kItems, random), at::zeros({shop.data.users(), settings.dim})}};
    Workers workers(threads);
    const Companions companions(shop.data);
    return choose_company_weight(shop.data, members, 0.05, companions, workers, [](double) {});
}

TEST(CompanyWeight, IsGreatWhereNetworksKnowNothing) {
    const testing::Shop shop(testing::walks(300, kItems, 9), kItems);
    const CompanyWeight found = chosen(shop, 1);
    EXPECT_GT(found.weight, 0.1);
    const nlohmann::json& tried = found.metrics.at("company_ndcg@10");
    EXPECT_EQ(tried.front().at(0), 0);
    EXPECT_GT(tried.back().at(1), tried.front().at(1));
    EXPECT_EQ(found.metrics.at("company"), found.weight);
}

TEST(CompanyWeight, DoesNotDependOnThreads) {
    const testing::Shop shop(testing::walks(300, kItems, 9), kItems);
    EXPECT_EQ(chosen(shop, 1).metrics, chosen(shop, 3).metrics);
}

/// Nobody has three.
TEST(CompanyWeight, IsNoneWhereNothingCanBeAsked) {
    const testing::Shop shop({{0, 1}, {1, 2}, {2, 3}}, kItems);
    EXPECT_EQ(chosen(shop, 1).weight, 0);
}

}  // namespace
}  // namespace seqrec::trainer
