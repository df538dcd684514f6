// Probabilities on generated data, of which the true ones are known.
#include "kinds/p5/probability.hpp"

#include <cmath>
#include <numeric>

#include "people.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::int64_t kItems = 40, kUsers = 1500, kDim = 16;

/// Weights whose cosines say more than they should: the truth is a softmax at a sixth of their scale.
struct Truth {
    std::vector<std::vector<std::int32_t>> sequences;
    std::optional<testing::FeaturedShop> shop;
    std::optional<P5Weights> weights;
    double scale = 4;

    Truth() {
        Random random(5);
        for (std::int64_t u = 0; u < kUsers; ++u) {
            std::vector<std::int32_t> sequence;
            for (int i = 0; i < 4; ++i) sequence.push_back(static_cast<std::int32_t>(random.below(kItems)));
            sequences.push_back(sequence);
        }
        testing::FeaturedData blank{sequences, kItems};
        const testing::FeaturedShop first(blank, testing::knowing_users());
        const P5Settings settings(testing::p5_options({{"temperature", 0.04}}), first.data, nullptr);
        P5State state{P5Network(settings, kItems, 0, random), at::zeros({kUsers, kDim})};
        at::manual_seed(1);
        state.network.item = at::randn({kItems, kDim});
        weights.emplace(state, std::make_shared<const UserFeatures>(UserFeatures::of_unknown(kUsers)),
                        Probability(settings));
        const at::Tensor rows = unit_rows(state.network.item);
        for (auto& sequence : sequences)  // the last two are what the truth draws
            for (std::size_t at : {2, 3}) {
                const std::vector<double> chances = chances_of(std::span(sequence).first(at));
                double left = random.uniform();
                std::size_t item = 0;
                while (item + 1 < chances.size() && left >= chances[item]) left -= chances[item++];
                sequence[at] = static_cast<std::int32_t>(item);
            }
        blank.sequences = sequences;
        shop.emplace(blank, testing::knowing_users());
    }

    std::vector<double> chances_of(std::span<const std::int32_t> history) const {
        const at::Tensor query = weights->encode({history}, {-1})[0];
        const at::Tensor chances = (unit_rows(weights->state().network.item).mv(query) * scale).softmax(0);
        return {chances.data_ptr<float>(), chances.data_ptr<float>() + kItems};
    }
};

TEST(P5Probability, FindsTheTruthBehindALoudRanking) {
    const Truth truth;
    Workers workers(2);
    const Dataset& data = truth.shop->data;
    const Probability fitted =
        fit_probability(data, data.questions(HeldOut::Validation), *truth.weights, 1, workers).probability;
    EXPECT_NEAR(fitted.scale, truth.scale, 1)
        << "a logistic curve is steeper than a softmax where chances are large";
    const P5Weights weights(truth.weights->state(),
                            std::make_shared<const UserFeatures>(UserFeatures::of_unknown(kUsers)), fitted);
    double error = 0, naive = 0, sum = 0;
    for (std::int64_t u = 0; u < 200; ++u) {
        const auto history = data.sequence(u).first(3);
        const at::Tensor query = weights.encode({history}, {-1})[0], logits = weights.item_rows().mv(query);
        const float offset = std::inner_product(query.data_ptr<float>(), query.data_ptr<float>() + kDim,
                                                fitted.offset.begin(), fitted.offset.back());
        const std::vector<double> chances = truth.chances_of(history);
        for (std::int64_t i = 0; i < kItems; ++i) {
            const double p = 1 / (1 + std::exp(-static_cast<double>(logits.data_ptr<float>()[i] + offset)));
            error += std::abs(p - chances[static_cast<std::size_t>(i)]) / (200 * kItems);
            naive += std::abs(1.0 / kItems - chances[static_cast<std::size_t>(i)]) / (200 * kItems);
            sum += p / 200;
        }
    }
    EXPECT_NEAR(sum, 1, 0.1) << "one of the items comes next";
    EXPECT_LT(error, 0.25 * naive);
    const nlohmann::json metrics = measure_probability(data, weights, 1, workers);
    EXPECT_LT(metrics.at("ece").get<double>(), 0.01);
    EXPECT_NEAR(metrics.at("top10_probability").get<double>(), metrics.at("top10_share").get<double>(),
                0.015);
    const nlohmann::json loud = measure_probability(data, *truth.weights, 1, workers);
    EXPECT_GT(loud.at("ece").get<double>(), 10 * metrics.at("ece").get<double>());
    EXPECT_LT(metrics.at("log_loss").get<double>(), loud.at("log_loss").get<double>());
}

/// Of a user's history the mean sum of what all items are given.
double sum_of_chances(const Truth& truth, const Probability& probability) {
    const P5Weights weights(truth.weights->state(),
                            std::make_shared<const UserFeatures>(UserFeatures::of_unknown(kUsers)),
                            probability);
    double sum = 0;
    for (std::int64_t u = 0; u < 50; ++u) {
        const at::Tensor query = weights.encode({truth.shop->data.sequence(u).first(3)}, {-1})[0];
        const float offset = std::inner_product(query.data_ptr<float>(), query.data_ptr<float>() + kDim,
                                                probability.offset.begin(), probability.offset.back());
        sum += (weights.item_rows().mv(query) + offset).sigmoid().sum().item<double>() / 50;
    }
    return sum;
}

TEST(P5Probability, WithFewQuestionsChancesAddUpToAboutOne) {
    const Truth truth;
    Workers workers(1);
    const FittedProbability fitted = fit_probability(truth.shop->data, {}, *truth.weights, 1, workers);
    EXPECT_EQ(fitted.probability.scale, 25);
    EXPECT_FALSE(fitted.warning.empty());
    const double sum =
        sum_of_chances(truth, fitted.probability);  // of logistic curves, flatter than exponentials
    EXPECT_TRUE(sum > 0.3 && sum < 1.5) << sum;
}

}  // namespace
}  // namespace seqrec::trainer
