// What networks say of every place, and what a shard is told of it.
#include "kinds/transformer/teacher.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "featured_shop.hpp"
#include "kinds/transformer/moments.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kTaughtItems = 40, kMaxLen = 6;
constexpr double kTemperature = 0.5;

/// Networks that were not trained, which prefer some items to others all the same.
struct Asked {
    testing::Shop shop;
    Members members;
    Moments none;

    explicit Asked(int users = 20) : shop(testing::walks(users, kTaughtItems, 9), kTaughtItems) {
        const Settings settings(testing::small_options({{"max_len", kMaxLen}}), shop.data, nullptr);
        Random random(3);
        for (int m = 0; m < 2; ++m) {
            members.push_back(
                {Transformer(settings, kTaughtItems, random), at::zeros({shop.data.users(), settings.dim})});
            members.back().users.normal_();
        }
    }

    Teacher ask(
        int threads = 1, const std::function<bool(double)>& goes_on = [](double) { return true; }) {
        Workers workers(threads);
        return {members, shop.data, none, kTemperature, workers, goes_on};
    }
};

/// By the definition: the mean of cosines over the temperature, of a history no longer than max_len.
TEST(Teacher, SaysTheLikeliestOfTheMeanOfCosines) {
    Asked asked;
    const Teacher teacher = asked.ask();
    const TransformerWeights weights(asked.members);
    const Tensor rows = weights.item_rows();
    std::int64_t user = 0;
    while (std::ssize(asked.shop.data.training(user)) <= kMaxLen) ++user;
    const std::int64_t place = asked.shop.data.offsets()[static_cast<std::size_t>(user)] + kMaxLen;
    const auto history = asked.shop.data.sequence(user).first(kMaxLen);
    const Tensor scores = rows.mv(weights.encode({history}, {static_cast<std::int32_t>(user)})[0]) /
                          std::sqrt(2.0) / kTemperature;
    const auto [top, at] = scores.topk(teacher.each());
    const Tensor shares = top.softmax(0) * kTaughtShare;
    for (std::int64_t i = 0; i < teacher.each(); ++i) {
        const auto found = std::ranges::find(teacher.items(place), at[i].item<std::int64_t>());
        ASSERT_NE(found, teacher.items(place).end()) << i;
        const auto n = static_cast<std::size_t>(found - teacher.items(place).begin());
        EXPECT_NEAR(teacher.shares(place)[n], shares[i].item<float>(), 1e-4) << i;
    }
}

/// Of what is held out nothing is said, for those who say it have not seen it.
TEST(Teacher, SpeaksOfEveryPlaceThatWasTrainedOnWhateverTheThreads) {
    Asked asked;
    std::atomic<int> polled = 0;
    const Teacher one = asked.ask(1, [&](double) { return ++polled > 0; }), three = asked.ask(3);
    EXPECT_GT(polled, 0);
    for (std::int64_t u = 0; u < asked.shop.data.users(); ++u)
        for (std::int64_t i = 0; i < std::ssize(asked.shop.data.sequence(u)); ++i) {
            const std::int64_t place = asked.shop.data.offsets()[static_cast<std::size_t>(u)] + i;
            const auto shares = one.shares(place);
            const bool trained = i > 0 && i < std::ssize(asked.shop.data.training(u));
            EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0f), trained ? kTaughtShare : 0,
                        1e-5);
            EXPECT_TRUE(std::ranges::equal(one.items(place), three.items(place)));
        }
}

TEST(Teacher, IsSilentOnceItsTimeIsOver) {
    Asked asked(2000);
    const Teacher teacher = asked.ask(1, [](double) { return false; });
    const std::int64_t last = asked.shop.data.interactions() - 3;
    EXPECT_GT(teacher.shares(1)[0], 0);
    EXPECT_EQ(teacher.shares(last)[0], 0);
}

TEST(Teacher, TellsEachLabelOfItsPlaceAndNothingOfNobodys) {
    Asked asked;
    const Teacher teacher = asked.ask();
    Packed shard;
    shard.label_places = {1, -1, 2};
    teacher.soften(shard);
    const auto each = static_cast<std::size_t>(teacher.each());
    ASSERT_EQ(shard.soft.shares.size(), 3 * each);
    EXPECT_TRUE(std::equal(teacher.items(1).begin(), teacher.items(1).end(), shard.soft.items.begin()));
    EXPECT_TRUE(
        std::equal(teacher.shares(2).begin(), teacher.shares(2).end(), shard.soft.shares.begin() + 2 * each));
    for (std::size_t i = each; i < 2 * each; ++i) EXPECT_EQ(shard.soft.shares[i], 0);
}

/// Networks that know of moments are told those of the clicks and of the question.
TEST(Teacher, IsAskedInTheMoment) {
    testing::FeaturedData given{.sequences = {{0, 1, 2, 3}, {4, 5, 0, 1}}, .items = 6};
    for (int i = 0; i < 8; ++i) given.times.push_back(1795651200 + 3600.0 * i * i);
    const testing::FeaturedShop shop(given);
    const Moments moments(shop.data, {true, false}), none(shop.data, {});
    const Settings settings(testing::small_options({{"max_len", kMaxLen}}), shop.data, nullptr);
    Random random(3);
    Members members = {{Transformer(settings, 6, random), at::zeros({2, settings.dim})}};
    members[0].network.begin_moments(moments.rows());
    members[0].network.click_moments.normal_();
    members[0].network.asked_moments.normal_();
    Workers workers(1);
    const auto ask = [&](const Moments& of) {
        return Teacher(members, shop.data, of, kTemperature, workers, [](double) { return true; });
    };
    const Teacher told = ask(moments), silent = ask(none);
    EXPECT_EQ(told.each(), 6) << "no more than there are";
    EXPECT_NEAR(std::accumulate(told.shares(1).begin(), told.shares(1).end(), 0.0f), kTaughtShare, 1e-5);
    EXPECT_FALSE(std::ranges::equal(told.shares(1), silent.shares(1)));
}

}  // namespace
}  // namespace seqrec::trainer
