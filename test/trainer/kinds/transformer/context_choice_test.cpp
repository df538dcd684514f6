// Whether the moment is used is what the validation says: kept where it tells what comes next, and not where it is noise.
#include "kinds/transformer/context_choice.hpp"

#include "core/kinds/transformer.hpp"
#include "featured_shop.hpp"
#include "kinds/shared/gradients.hpp"
#include "kinds/transformer/transformer_model.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::error_of;
using testing::FeaturedData;
using testing::FeaturedShop;

constexpr std::int32_t kShopItems = 24;

/// After a pair of items comes one of the next pair: the first of it in the mood x, else the second; or the mood says nothing.
FeaturedData moods(bool tells, std::size_t users = 400) {
    FeaturedData data{.sequences = testing::Sequences(users), .items = kShopItems};
    testing::TestColumn mood{"mood", "category"};
    Random random(5);
    for (auto& sequence : data.sequences) {
        sequence.push_back(static_cast<std::int32_t>(random.below(kShopItems)));
        mood.values.push_back({"x"});
        for (int i = 0; i < 7; ++i) {
            const bool x = random.below(2) == 0;
            const bool first = tells ? x : random.below(2) == 0;
            sequence.push_back((sequence.back() / 2 * 2 + 2) % kShopItems + (first ? 0 : 1));
            mood.values.push_back({x ? "x" : "y"});
        }
    }
    data.event.push_back(std::move(mood));
    return data;
}

json options(json given = json::object()) {
    json all = {{"dim", 16},           {"epochs", 12},          {"max_len", 10},
                {"batch_tokens", 128}, {"learning_rate", 0.01}, {"holdout", "keep"},
                {"dropout", 0.1}};
    all.update(given);
    return testing::small_options(all);
}

/// What is reported meanwhile is not shown.
struct Quiet {
    Quiet() { ::testing::internal::CaptureStdout(); }
    ~Quiet() { ::testing::internal::GetCapturedStdout(); }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;
};

Trained train_kind(const Dataset& data, const json& given) {
    const auto model = kTransformerTrainer.make(given, data, json());
    Workers workers(1);
    const Quiet quiet;
    Reporter reporter;
    return model->train({data, workers, reporter, ""});
}

TEST(ContextChoice, KeepsWhatTellsWhatComesNext) {
    const FeaturedShop shop(moods(true));
    const Trained trained = train_kind(shop.data, options());
    EXPECT_EQ(trained.config.at("context_use"), "columns") << trained.metrics.dump();
    EXPECT_EQ(trained.config.at("context_rows"), 2);
    const json& compared = trained.metrics.at("context_ndcg@10");
    EXPECT_GT(compared.at("with"), compared.at("without"));
    EXPECT_GT(compared.at("with"), compared.at("plain"));
    const json& test = trained.metrics.at("context_test_ndcg@10");
    EXPECT_GT(test.at("with").get<double>(), 1.1 * test.at("plain").get<double>());
}

TEST(ContextChoice, LeavesNoiseOut) {
    const FeaturedShop shop(moods(false));
    const Trained trained = train_kind(shop.data, options());
    EXPECT_EQ(trained.config.at("context_use"), "none") << trained.metrics.dump();
    EXPECT_FALSE(trained.config.contains("context_columns"));
    EXPECT_FALSE(trained.metrics.contains("context_test_ndcg@10"));
    // what is trained then is what would have been trained without, to the last bit
    const Trained without = train_kind(shop.data, options({{"context_use", "none"}}));
    EXPECT_TRUE(at::equal(trained.served->item_rows(), without.served->item_rows()));
    EXPECT_TRUE(at::equal(trained.served->user_rows(), without.served->user_rows()));
    EXPECT_EQ(trained.served->tensors().size(), without.served->tensors().size());
}

TEST(ContextChoice, FewQuestionsTellNothing) {
    const FeaturedShop shop(moods(true, 40));
    const Trained trained = train_kind(shop.data, options({{"epochs", 1}}));
    EXPECT_EQ(trained.config.at("context_use"), "none");
    EXPECT_FALSE(trained.metrics.contains("context_ndcg@10"));
    const Trained wished = train_kind(shop.data, options({{"epochs", 1}, {"context_use", "columns"}}));
    EXPECT_EQ(wished.config.at("context_use"), "columns");
    EXPECT_TRUE(wished.metrics.contains("context_test_ndcg@10"));
}

TEST(ContextChoice, RefusesWhatTheDataDoNotHave) {
    FeaturedData data = moods(true, 40);
    for (const char* wish : {"time", "all"})
        EXPECT_EQ(error_of([&] {
                      train_kind(FeaturedShop(data).data, options({{"context_use", wish}}));
                  }),
                  sqlstate::kInvalidParameter);
    data.event.clear();
    EXPECT_EQ(error_of([&] {
                  train_kind(FeaturedShop(data).data, options({{"context_use", "columns"}}));
              }),
              sqlstate::kInvalidParameter);
}

}  // namespace
}  // namespace seqrec::trainer
