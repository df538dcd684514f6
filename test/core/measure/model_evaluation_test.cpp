#include "core/measure/model_evaluation.hpp"

#include <cmath>
#include <optional>

#include "core/measure/pair_metrics.hpp"
#include "core/measure/told_rows.hpp"
#include "core/recommend.hpp"
#include "testing.hpp"
#include "tiny_model.hpp"

#include <nlohmann/json.hpp>

namespace seqrec {
namespace {

using namespace seqrec::testing;

class ModelEvaluation : public ::testing::Test {
  protected:
    const Snapshot& open() {
        model.write(folder / "snapshot");
        return snapshot.emplace(Snapshot::open(folder / "snapshot"));
    }

    /// user-2 and a stranger, seven rows, one with an item that the model does not know.
    TableRows seven_rows(bool labelled = false) {
        TableRows rows(*snapshot, labelled);
        rows.begin_user("user-2");
        for (const auto& [item, time] :
             {std::pair{"item-1", 1.0}, {"item-5", 2.0}, {"item-9", 3.0}, {"item-3", 9.0}})
            rows.row(item, time, time > 2 ? 5 : 1);
        rows.begin_user("stranger");
        for (const auto& [item, time] : {std::pair{"item-4", 4.0}, {"novelty", 5.0}, {"item-6", 6.0}})
            rows.row(item, time, time == 6 ? std::nanf("") : 5);
        return rows;
    }

    static Evaluation measure(const TableRows& rows, const EvaluationWish& wish) {
        return evaluate(rows, wish, [](std::string_view, double) {});
    }
    static double figure(const Evaluation& evaluation, std::string_view metric, std::int32_t k) {
        for (const Figure& figure : evaluation.figures)
            if (figure.metric == metric && figure.k == k) return figure.value;
        ADD_FAILURE() << "no " << metric << "@" << k;
        return 0;
    }

    /// How many items that were not clicked score as much as the target, by the definition.
    std::int64_t rank_of(const std::vector<std::int32_t>& clicks, std::int32_t user,
                         std::int32_t target) const {
        const Query query = query_after(*snapshot, {clicks, user}, false);
        std::int64_t rank = -1;
        for (std::int32_t item = 0; item < snapshot->items().size(); ++item)
            if (std::ranges::find(clicks, item) == clicks.end())
                rank += score_of(*snapshot, query, item) >= score_of(*snapshot, query, target);
        return rank;
    }

    TempFolder folder;
    TinyModel model;
    std::optional<Snapshot> snapshot;
};

TEST_F(ModelEvaluation, RanksWhatEachUserHadLastAfterTheRest) {
    open();
    const std::int64_t ranks[] = {rank_of({1, 5, 9}, 2, 3), rank_of({4}, -1, 6)};
    const Evaluation evaluation = measure(seven_rows(), {.ks = {1, 5, 20}});
    for (const std::int32_t k : {1, 5, 20}) {
        double hits = 0, reciprocal = 0;
        for (const std::int64_t rank : ranks)
            if (rank < k) ++hits, reciprocal += 1 / static_cast<double>(rank + 1);
        EXPECT_DOUBLE_EQ(figure(evaluation, "hr", k), hits / 2) << k;
        EXPECT_DOUBLE_EQ(figure(evaluation, "mrr", k), reciprocal / 2) << k;
    }
    EXPECT_DOUBLE_EQ(figure(evaluation, "hr", 20), 1);
    EXPECT_EQ(figure(evaluation, "users", 0), 2);
    EXPECT_EQ(figure(evaluation, "rows", 0), 2);
    EXPECT_EQ(figure(evaluation, "unknown_items", 0), 0);
    EXPECT_TRUE(evaluation.left_out.empty());
    for (const char* baseline : {"popularity_hr", "markov_ndcg", "item_knn_mrr", "ease_map"})
        EXPECT_GT(figure(evaluation, baseline, 20), 0) << baseline;
}

/// What is asked for is among what the model saw of the user, and must not be hidden for it; the unknown item is a miss.
TEST_F(ModelEvaluation, AsksForEveryNextRowOfHeldOutUsers) {
    open();
    ASSERT_EQ(snapshot->seen(2)[1], 5);
    const Evaluation evaluation = measure(seven_rows(), {.ks = {20}, .split = Split::HeldOut});
    EXPECT_EQ(figure(evaluation, "rows", 0), 5);
    EXPECT_EQ(figure(evaluation, "unknown_items", 0), 1);
    EXPECT_DOUBLE_EQ(figure(evaluation, "hr", 20), 4.0 / 5);
    double reciprocal = 0;
    for (const std::int64_t rank :
         {rank_of({1}, 2, 5), rank_of({1, 5}, 2, 9), rank_of({1, 5, 9}, 2, 3), rank_of({4}, -1, 6)})
        reciprocal += 1 / static_cast<double>(rank + 1);
    EXPECT_DOUBLE_EQ(figure(evaluation, "mrr", 20), reciprocal / 5);
}

/// Ranks are places in what would be answered with diversity.
TEST_F(ModelEvaluation, RanksDiverseListsByTheirOrder) {
    model.seen[2] = {};  // who asks for a list is not given what the model saw of the user
    open();
    double reciprocal = 0;
    const auto add_place = [&](std::string_view user, std::vector<std::string_view> clicks,
                               std::int32_t target) {
        Request request{20};
        request.diversity = 0.7f;
        const auto items = recommend(*snapshot, {user, clicks}, request, {}).items;
        const auto at = std::ranges::find(items, target, &ScoredItem::item) - items.begin();
        reciprocal += 1 / static_cast<double>(at + 1);
    };
    add_place("user-2", {"item-1", "item-5", "item-9"}, 3);
    add_place("", {"item-4"}, 6);
    const auto diverse = measure(seven_rows(), {.ks = {5, 20}, .diversity = 0.7f}),
               plain = measure(seven_rows(), {.ks = {5, 20}});
    EXPECT_DOUBLE_EQ(figure(diverse, "mrr", 20), reciprocal / 2);
    EXPECT_NE(figure(plain, "mrr", 20), reciprocal / 2)
        << "the order is the plain one: this test says nothing";
    EXPECT_GT(figure(diverse, "diversity", 5), figure(plain, "diversity", 5));
}

TEST_F(ModelEvaluation, SaysWhatTheModelHasBeenTold) {
    model.seen[2] = {1, 9};
    open();                                                 // it has been told of every user until 5
    EXPECT_EQ(measure(seven_rows(), {.ks = {5}}).told, 0);  // both last rows are later, or a stranger's
    const Evaluation evaluation = measure(seven_rows(), {.ks = {5}, .split = Split::HeldOut});
    EXPECT_EQ(evaluation.told, 1);  // 9; of 5 it does not know that the user had it, though it was before
    EXPECT_EQ(evaluation.asked, 5);
    EXPECT_DOUBLE_EQ(figure(evaluation, "seen_by_model", 0), 1.0 / 5);
}

/// Of three rows until 5 the last two were held out of the training.
TEST_F(ModelEvaluation, SaysThatAModelWasKeptFromTheRows) {
    model.config = R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 6, "holdout": "keep"})";
    model.seen[2] = {1, 5, 9};
    open();
    EXPECT_EQ(measure(seven_rows(), {.ks = {5}, .split = Split::HeldOut}).told, 0);
    // By time it was kept from what is later than four fifths of the rows that it knows: of 1, 2, 3, 4, 5 later than 4.
    model.config =
        R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 6, "holdout": "keep", "split": "time"})";
    open();
    EXPECT_EQ(measure(seven_rows(), {.ks = {5}, .split = Split::HeldOut}).told, 2);
}

TEST_F(ModelEvaluation, MeasuresProbabilitiesOfLabelledRows) {
    model.score = ScoreForm{.link = Link::Sigmoid}.to_json();
    open();
    const auto seen = snapshot->seen(2);
    const Query known = query_after(*snapshot, {seen, 2}, false);
    const std::vector<std::int32_t> clicks[] = {{}, {4}};
    const auto probability = [&](const Query& query, std::int32_t item) {
        return 1 / (1 + std::exp(-own_score(*snapshot, query, item)));
    };
    // The user's four rows after what the training had, the stranger's first after nothing; one item is unknown and one
    // label missing.
    const nlohmann::json expected =
        pair_metrics({{probability(known, 1), false},
                      {probability(known, 5), false},
                      {probability(known, 9), true},
                      {probability(known, 3), true},
                      {probability(query_after(*snapshot, {clicks[0], -1}, false), 4), true}},
                     0.6f);
    const Evaluation evaluation = measure(
        seven_rows(true), {.ks = {5}, .split = Split::HeldOut, .positive_from = 4, .threshold = 0.6f});
    EXPECT_EQ(figure(evaluation, "pairs_evaluated", 0), 5);
    for (const char* name : {"auc", "log_loss", "brier", "ece", "accuracy", "threshold"})
        EXPECT_NEAR(figure(evaluation, name, 0), expected.at(name).get<double>(), 1e-6) << name;
    EXPECT_EQ(figure(evaluation, "precision", 5), figure(evaluation, "hr", 5) / 5);  // that of the lists
}

TEST_F(ModelEvaluation, LabelsSayNothingOfScoresThatAreNoProbabilities) {
    open();
    const Evaluation evaluation = measure(seven_rows(true), {.ks = {5}, .positive_from = 4});
    for (const Figure& figure : evaluation.figures) EXPECT_NE(figure.metric, "auc");
    ASSERT_EQ(evaluation.left_out.size(), 1u);
    EXPECT_NE(evaluation.left_out[0].find("no probabilities"), std::string::npos);
}

TEST_F(ModelEvaluation, LeavesEaseOutWhereMemoryIsShort) {
    open();
    const Evaluation evaluation = measure(seven_rows(), {.ks = {5}, .most_bytes = 1000});
    ASSERT_EQ(evaluation.left_out.size(), 1u);
    EXPECT_NE(evaluation.left_out[0].find("ease left out"), std::string::npos) << evaluation.left_out[0];
}

TEST_F(ModelEvaluation, ErrorsSayWhatIsMissing) {
    open();
    EXPECT_EQ(error_of([&] { measure(TableRows(*snapshot, false), {.ks = {5}}); }), "02000");
    TableRows single(*snapshot, false);
    single.begin_user("user-2");
    single.row("item-1", 1);
    EXPECT_EQ(error_of([&] { measure(single, {.ks = {5}}); }), sqlstate::kNotEnoughData);
    EXPECT_EQ(error_of([&] { measure(single, {.ks = {5}, .split = Split::HeldOut}); }),
              sqlstate::kNotEnoughData);
}

TEST_F(ModelEvaluation, CanBeStopped) {
    open();
    struct Stop {};
    EXPECT_THROW(evaluate(seven_rows(), {.ks = {5}}, [](std::string_view, double) { throw Stop(); }), Stop);
}

}  // namespace
}  // namespace seqrec
