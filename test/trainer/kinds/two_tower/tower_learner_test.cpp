// What the two towers learn from small data: an order that no chain of one step sees, tastes of items that nobody
// had, and of users who clicked nothing.
#include "kinds/two_tower/tower_learner.hpp"

#include <cmath>

#include "core/kinds/two_tower.hpp"
#include "featured_shop.hpp"
#include "files/model_file.hpp"
#include "kinds/shared/epochs.hpp"
#include "measure/baselines.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;
using testing::FeaturedData;
using testing::FeaturedShop;

struct Result {
    std::unique_ptr<const Weights> measured, served;
    json config;
};

Result learn(const Dataset& data, const json& given, const Tensor& content = {}) {
    json options = {{"dim", 16}, {"threads", 2}, {"max_len", 10}, {"precision", "float32"}};
    options.update(given);
    const TowerSettings settings(resolve_options("two_tower", options), data, nullptr);
    const TowerMaterial material{data, content.defined() ? ContentRows(content) : ContentRows(),
                                 std::make_shared<const UserFeatures>(data)};
    Random random(1);
    const Tensor residuals = at::zeros({data.items(), settings.dim});
    for (const std::int32_t item : Catalogue(data, Part::Training).warm)
        for (std::int64_t d = 0; d < settings.dim; ++d) residuals[item][d] = 0.05 * (random.uniform() - 0.5);
    Workers workers(2);
    ::testing::internal::CaptureStdout();
    Result result;
    {
        Reporter reporter;
        TowerLearner learner(
            material, settings,
            {Towers(settings, material.content, material.features->rows(), random), residuals}, workers);
        const Run run{data, workers, reporter};
        Epochs epochs(run, settings.course(), learner, random);
        epochs.run();
        result.measured = weights_of(learner.best(), material, workers);
        epochs.fit_all();
        result.served = weights_of(learner.best(), material, workers);
        result.config = settings.to_json();
        result.config["columns"] = material.features->columns();
        result.config["content_scale"] = 1.0;
    }
    ::testing::internal::GetCapturedStdout();
    return result;
}

double hr10(const std::vector<std::int64_t>& ranks) { return ranking_metrics(ranks)["hr@10"]; }

/// Two walks through the items taken in turns: an item follows the one before the latest.
testing::Sequences braids(int users, std::int32_t items) {
    Random random(1);
    testing::Sequences sequences;
    const auto any = [&] {
        return static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(items)));
    };
    for (int u = 0; u < users; ++u) {
        std::vector<std::int32_t> sequence = {any(), any()};
        for (auto left = 4 + random.below(14); left > 0; --left)
            sequence.push_back(random.uniform() < 0.85 ? (sequence[sequence.size() - 2] + 1) % items : any());
        sequences.push_back(std::move(sequence));
    }
    return sequences;
}

TEST(TowerLearner, LearnsAnOrderThatPopularityAndMarkovDoNotSee) {
    const testing::Shop shop(braids(400, 60), 60, testing::with_repeats("keep"));
    const auto& test = shop.data.questions(HeldOut::Test);
    const BaselineRanks baselines = rank_baselines(shop.data, test);
    const double floor = std::max(hr10(baselines.popularity), hr10(baselines.markov));
    for (const json& options : {json{{"dim", 32}, {"epochs", 60}},
                                {{"dim", 32}, {"epochs", 60}, {"candidates", "batch"}, {"negatives", 20}},
                                {{"dim", 32}, {"epochs", 60}, {"loss", "bce"}, {"negatives", 30}}}) {
        const Result result = learn(shop.data, options);
        Workers workers(1);
        const auto ranking =
            rank_held_out(shop.data, test, HeldOut::Test, *result.measured, {}, workers, [](double) {});
        EXPECT_GT(hr10(ranking.ranks), 2 * floor) << options;
    }
}

constexpr std::int64_t kTastes = 6, kWarm = 60, kCold = 24, kAll = kWarm + kCold;

/// Users who choose at random among the items of their taste; items from kWarm on nobody had.
FeaturedData tastes(int users) {
    FeaturedData data{{}, kAll};
    Random random(2);
    testing::TestColumn taste{"taste", "category"};
    for (int u = 0; u < users; ++u) {
        std::vector<std::int32_t> sequence;
        const auto own = static_cast<std::int32_t>(u % kTastes);
        for (int i = 0; i < 8; ++i)
            sequence.push_back(own + static_cast<std::int32_t>(kTastes * random.below(kWarm / kTastes)));
        data.sequences.push_back(sequence);
        taste.values.push_back({testing::numbered("t", own)});
    }
    data.user = {std::move(taste)};
    return data;
}

/// A direction for each taste, and noise.
Tensor descriptions() {
    at::manual_seed(4);
    const Tensor directions = at::randn({kTastes, 24});
    Tensor rows = at::randn({kAll, 24}) * 0.5;
    for (std::int64_t i = 0; i < kAll; ++i) rows[i] += directions[i % kTastes];
    return rows / rows.norm(2, 1, true);
}

/// The share of the best four cold items that are of a taste.
double share_of_taste(const Weights& weights, const Tensor& query, std::int64_t taste) {
    const Tensor scores = at::mv(weights.item_rows().narrow(0, kWarm, kCold), query);
    const Tensor best = std::get<1>(scores.topk(4));
    double hits = 0;
    for (std::int64_t i = 0; i < 4; ++i) hits += (best[i].item<std::int64_t>() + kWarm) % kTastes == taste;
    return hits / 4;
}

TEST(TowerLearner, ItemsThatNobodyHadAreFoundByTheirContent) {
    const FeaturedShop shop(tastes(240));
    for (const json& options : {json{{"epochs", 100}}, {{"epochs", 100}, {"content_hidden", 16}}}) {
        const Result result = learn(shop.data, options, descriptions());
        double found = 0;
        for (std::int32_t u = 0; u < kTastes; ++u) {
            const Tensor query = result.served->encode({shop.data.sequence(u)}, {-1});
            found += share_of_taste(*result.served, query[0], u) / kTastes;
        }
        EXPECT_GT(found, 0.8) << options << ", where chance gives a sixth";
        const auto& pair = dynamic_cast<const TowerWeights&>(*result.served).pair();
        EXPECT_EQ(pair.residuals.narrow(0, kWarm, kCold).abs().max().item<float>(), 0) << "never trained";
    }
}

TEST(TowerLearner, WithoutContentNothingIsSaidOfItemsThatNobodyHad) {
    const FeaturedShop shop(tastes(60));
    const Result result = learn(shop.data, {{"epochs", 2}});
    EXPECT_EQ(result.served->item_rows().narrow(0, kWarm, kCold).abs().max().item<float>(), 0);
}

/// A user who was not there and has clicked nothing is answered by what the context says of her.
TEST(TowerLearner, FeaturesAloneAnswerWhoHasNoClicks) {
    const FeaturedData content = tastes(240);
    const FeaturedShop shop(content);
    const Result result = learn(shop.data, {{"epochs", 80}}, descriptions());
    const seqrec::testing::TempFolder folder;
    write_model(folder / "model", {kTwoTower, result.config, json::object()}, *result.served, shop.data,
                nullptr);
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    const TwoTowerEncoder encoder(file);
    double found = 0;
    for (std::int64_t taste = 0; taste < kTastes; ++taste) {
        const json context = {{"taste", testing::numbered("t", taste)}};
        Tensor query = at::empty({encoder.dim()});
        const std::span<float> out(query.data_ptr<float>(), static_cast<std::size_t>(encoder.dim()));
        ASSERT_TRUE(encoder.encode({{}, -1, &context}, out, Precision::Exact).known);
        found += share_of_taste(*result.served, query, taste) / kTastes;
        const Tensor known = result.served->encode({{}}, {static_cast<std::int32_t>(taste)});
        EXPECT_LT((query - known[0]).abs().max().item<float>(), 1e-4) << "as a user of the same features";
    }
    EXPECT_GT(found, 0.8);
}

}  // namespace
}  // namespace seqrec::trainer
