// Where prompts are left out.
#include "kinds/p5/prompt_use.hpp"

#include "kinds/shared/gradients.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"
#include "people.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

struct Prompted {
    testing::FeaturedShop shop{testing::people(300, 24, 8), testing::knowing_users()};
    P5Settings settings{testing::p5_options(), shop.data, nullptr};
    std::shared_ptr<const UserFeatures> features = std::make_shared<const UserFeatures>(shop.data);
    Workers workers{1};

    PromptUse use(const P5State& state) {
        const Rank rank = [&](const Weights& weights) {
            const auto ranking = rank_held_out(shop.data, shop.data.questions(HeldOut::Validation),
                                               HeldOut::Validation, weights, {}, workers, [](double) {});
            return ranking_metrics(ranking.ranks)["ndcg@10"].get<double>();
        };
        return where_prompts_pay(shop.data, state, features, settings, workers, rank);
    }
    P5State trained(const nlohmann::json& stages) const {
        const testing::P5Trial trial =
            testing::train_p5(shop.data, testing::p5_options({{"stages", stages}, {"epochs", 30}}));
        P5State state = copy_of(dynamic_cast<const P5Weights&>(*trial.trained.measured).state());
        state.personal.zero_();
        return state;
    }
};

TEST(P5PromptUse, PromptsThatNobodyTrainedAreLeftOut) {
    Prompted fixture;
    P5State state = fixture.trained({"pretrain"});
    state.network.features = testing::leaf({fixture.features->rows(), 16}, 7).detach();
    state.network.head = 3 * testing::leaf({16, 16}, 8).detach();
    const PromptUse use = fixture.use(state);
    EXPECT_LT(use.gains.at("1").get<double>(), 0);
    EXPECT_EQ(use.until, 1) << "without a click there is nothing else to go by";
}

TEST(P5PromptUse, GainsAreToldByLength) {
    Prompted fixture;
    const PromptUse use = fixture.use(fixture.trained({"pretrain", "prompt", "tune"}));
    for (const char* clicks : {"1", "3", "5", "all"})
        EXPECT_LT(std::abs(use.gains.at(clicks).get<double>()), 1) << clicks;
    EXPECT_EQ(use.gains.size(), 4U) << "no history is longer than max_len";
    EXPECT_GT(use.whole, 0);
}

}  // namespace
}  // namespace seqrec::trainer
