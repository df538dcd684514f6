// Coefficients of data that were made with known ones, penalties, and probabilities.
#include "kinds/logistic/fitting.hpp"

#include <array>
#include <cmath>
#include <set>

#include "kinds/shared/numbers.hpp"
#include "rich_design.hpp"

namespace seqrec::trainer {
namespace {

using testing::FeaturedData;
using testing::FeaturedShop;
using testing::Rich;
using testing::Wanted;

/// Logits of the four cells of a binary column of users and one of items.
using Cells = std::array<std::array<double, 2>, 2>;

/// A pair for each user, as many in each cell, and a user without labels who has had two items, as a dataset must
/// have. All happens at once and to two items alike, so that nothing else tells pairs apart.
FeaturedData pairs_of(const Cells& logits, int users) {
    Random random(7);
    FeaturedData data{{{0, 1}}, 2};
    data.item = {{"size", "category", {}, {{"small"}, {"large"}}}};
    data.user = {{"member", "category", {}, {{"no"}}}};
    data.labels = {NAN, NAN};
    for (int u = 0; u < users; ++u) {
        const auto member = static_cast<std::size_t>(u / 2 % 2), item = static_cast<std::size_t>(u % 2);
        data.user[0].values.push_back({member == 1 ? "yes" : "no"});
        data.sequences.push_back({static_cast<std::int32_t>(item)});
        data.labels.push_back(random.uniform() < sigmoid(logits[member][item]) ? 1 : 0);
    }
    data.times.assign(static_cast<std::size_t>(users) + 2, 0);
    return data;
}

/// A fit of them, and what it says of each cell.
struct Fit {
    FeaturedShop shop;
    nlohmann::json options;
    Design design;
    Workers workers{2};
    Passes passes;
    std::vector<float> coefficients, errors;
    nlohmann::json metrics;
    Cells logits{};

    Fit(const FeaturedData& data, nlohmann::json given)
        : shop(data),
          options(without_ids(std::move(given))),
          design(shop.data, options),
          passes(shop.data, design, 4, 1, workers) {
        Reporter reporter;
        Fitting fitting(shop.data, design, passes, options, reporter, "");
        fitting.fit();
        coefficients = fitting.coefficients();
        errors = fitting.errors({Of::Training});
        metrics = fitting.metrics();
        const auto outcomes = passes.outcomes({Of::All}, coefficients);
        for (std::size_t i = 0; i < 4 && i < outcomes.size(); ++i)  // the first four users are one of each
            logits[i / 2 % 2][i % 2] = static_cast<double>(outcomes[i].logit);
    }

    std::size_t number_of(const char* group) const {
        for (std::size_t g = 0; g < design.groups().size(); ++g)
            if (design.groups()[g].name == group) return g;
        ADD_FAILURE() << group;
        return 0;
    }
    std::vector<std::size_t> of_group(const char* name) const {
        const std::size_t group = number_of(name);
        std::vector<std::size_t> all;
        for (std::size_t i = 0; i < design.group_of().size(); ++i)
            if (design.group_of()[i] == group) all.push_back(i);
        return all;
    }
    double squares() const {
        double sum = 0;
        for (const char* name : {"member", "size", "member * size"})
            for (const std::size_t i : of_group(name))
                sum += static_cast<double>(coefficients[i]) * static_cast<double>(coefficients[i]);
        return sum;
    }

  private:
    static nlohmann::json without_ids(nlohmann::json given) {
        given["ids"] = false;
        return testing::logistic_options(given);
    }
};

class FittingTest : public ::testing::Test {
  protected:
    FittingTest() { ::testing::internal::CaptureStdout(); }
    ~FittingTest() override { output(); }
    std::string output() {
        if (!done_) output_ = ::testing::internal::GetCapturedStdout();
        done_ = true;
        return output_;
    }

  private:
    bool done_ = false;
    std::string output_;
};

constexpr Cells kTrue = {{{-1, 0.5}, {0.25, -0.75}}};

/// With hardly a penalty and with those that the data choose.
TEST_F(FittingTest, RecoversWhatMadeTheData) {
    for (const nlohmann::json& options : {nlohmann::json{{"l2", 1e-3}}, nlohmann::json::object()}) {
        const Fit fit(pairs_of(kTrue, 20000), options);
        for (std::size_t member : {0, 1})
            for (std::size_t item : {0, 1}) {
                const double p = sigmoid(kTrue[member][item]), error = 1 / std::sqrt(5000 * p * (1 - p));
                EXPECT_NEAR(fit.logits[member][item], kTrue[member][item], 4 * error) << member << item;
            }
        const double crossed = fit.logits[1][1] - fit.logits[1][0] - fit.logits[0][1] + fit.logits[0][0];
        EXPECT_NEAR(crossed, -2.5, 0.25);
    }
}

/// All else given, each is as sure as the pairs that have its cell.
TEST_F(FittingTest, StandardErrorsAreThoseOfTheCells) {
    const Fit fit(pairs_of(kTrue, 20000), {{"l2", 1e-3}});
    std::multiset<double> expected, found;
    for (const auto& row : fit.logits)
        for (const double logit : row) {
            const double p = sigmoid(logit);
            expected.insert(1 / std::sqrt(5000 * p * (1 - p)));
        }
    for (const std::size_t i : fit.of_group("member * size"))
        found.insert(static_cast<double>(fit.errors[i]));
    ASSERT_EQ(found.size(), 4u);
    for (auto a = expected.begin(), b = found.begin(); a != expected.end(); ++a, ++b)
        EXPECT_NEAR(*a, *b, 1e-3);
}

TEST_F(FittingTest, APenaltyShrinks) {
    const FeaturedData data = pairs_of(kTrue, 2000);
    const double none = Fit(data, {{"l2", 0}}).squares(), some = Fit(data, {{"l2", 100}}).squares(),
                 much = Fit(data, {{"l2", 1e5}}).squares();
    EXPECT_GT(none, 1.05 * some);
    EXPECT_GT(some, 10 * much);
    EXPECT_LT(much, 0.01);
    EXPECT_GT(none, 0.5);
}

/// Without any effect all cells are the same; with one the data do not shrink it.
TEST_F(FittingTest, TheDataChooseHowMuch) {
    const double nothing = Fit(pairs_of({{{0.5, 0.5}, {0.5, 0.5}}}, 4000), {}).squares(),
                 free = Fit(pairs_of({{{0.5, 0.5}, {0.5, 0.5}}}, 4000), {{"l2", 0}}).squares();
    EXPECT_LT(nothing, 0.5 * free);
}

TEST_F(FittingTest, ReportsItsRounds) {
    const Fit fit(pairs_of(kTrue, 200), {{"epochs", 3}});
    EXPECT_EQ(fit.metrics.at("epochs"), 3);
    EXPECT_EQ(fit.metrics.at("pairs"), 200);
    EXPECT_GT(fit.metrics.at("passes"), 3);
    EXPECT_GT(fit.metrics.at("labels_per_s"), 0);
    EXPECT_LT(fit.metrics.at("loss"), 0.75);
    EXPECT_EQ(Fit(pairs_of(kTrue, 200), {{"l2", 1}}).metrics.at("epochs"), 1);
    const std::string printed = output();
    EXPECT_NE(printed.find("\"epoch\":3"), std::string::npos) << printed;
    EXPECT_NE(printed.find("\"phase\":\"training\""), std::string::npos);
}

/// One outcome only, and none at all.
TEST_F(FittingTest, OfOneOutcomeNothingIsLearned) {
    for (const float label : {0.0f, 1.0f, NAN}) {
        FeaturedData data = pairs_of(kTrue, 40);
        std::ranges::fill(data.labels, label);
        EXPECT_EQ(seqrec::testing::error_of([&] {
                      Fit(data, {{"epochs", 2}});
                  }),
                  sqlstate::kNotEnoughData)
            << label;
    }
}

/// Weights say how rows compare: what is common to all of them changes nothing.
TEST_F(FittingTest, WeightsAreRelative) {
    FeaturedData data = pairs_of(kTrue, 40);
    data.weights.assign(data.labels.size(), 1);
    const Fit one(data, {{"epochs", 3}});
    data.weights.assign(data.labels.size(), 100);
    const Fit hundred(data, {{"epochs", 3}});
    for (std::size_t i = 0; i < one.coefficients.size(); ++i)
        EXPECT_NEAR(one.coefficients[i], hundred.coefficients[i], 1e-4);
    data.weights.assign(data.labels.size(), 0);
    EXPECT_EQ(seqrec::testing::error_of([&] { Fit(data, {{"epochs", 2}}); }), sqlstate::kNotEnoughData);
}

TEST_F(FittingTest, EndsAtMaxSeconds) {
    nlohmann::json options = testing::logistic_options();
    const Rich rich(Wanted{});
    options["max_seconds"] = 1e-9;
    Reporter reporter;
    Fitting fitting(rich.shop.data, rich.design, rich.passes, options, reporter, "");
    fitting.fit();
    EXPECT_EQ(fitting.metrics().at("epochs"), 1) << "one round there is always";
}

/// Every pair of the training part is told once, by a model that has not seen it: worse than by the one that has.
TEST_F(FittingTest, OutOfFoldIsWhatOthersSay) {
    const Rich rich(Wanted{});
    Reporter reporter;
    const nlohmann::json options = testing::logistic_options({{"l2", 0.1}});
    Fitting fitting(rich.shop.data, rich.design, rich.passes, options, reporter, "");
    fitting.fit();
    const std::vector<float> before = fitting.coefficients();
    const auto loss = [](const std::vector<PairOutcome>& outcomes) {
        double sum = 0;
        for (const auto& [logit, weight, positive] : outcomes) sum += softplus(positive ? -logit : logit);
        return sum;
    };
    const auto told = fitting.out_of_fold(), fitted = rich.passes.outcomes({Of::Training}, before);
    EXPECT_EQ(told.size(), fitted.size());
    EXPECT_GT(loss(told), 1.5 * loss(fitted));
    EXPECT_EQ(fitting.coefficients(), before);
}

/// Whatever a checkpoint holds, what goes on from it ends where the whole did.
TEST_F(FittingTest, GoesOnFromACheckpoint) {
    const Rich rich(Wanted{});
    const seqrec::testing::TempFolder folder;
    const auto fit = [&](const std::string& checkpoint, const char* epochs = "3") {
        nlohmann::json options = testing::logistic_options({{"epochs", nlohmann::json::parse(epochs)}});
        Reporter reporter;
        Fitting fitting(rich.shop.data, rich.design, rich.passes, options, reporter, checkpoint);
        fitting.fit();
        return fitting.coefficients();
    };
    const std::vector<float> whole = fit(""), kept = fit(folder / "checkpoint");
    EXPECT_EQ(kept, whole) << "a checkpoint changes nothing";
    ASSERT_TRUE(std::filesystem::exists(folder / "checkpoint"));
    EXPECT_EQ(fit(folder / "checkpoint"), whole);
    EXPECT_EQ(seqrec::testing::error_of([&] { fit(folder / "checkpoint", "4"); }), "22023");
    EXPECT_NE(output().find("where it was interrupted"), std::string::npos);
}

std::vector<PairOutcome> distorted(double slope, double shift, int count) {
    Random random(9);
    std::vector<PairOutcome> outcomes;
    for (int i = 0; i < count; ++i) {
        const double logit = 4 * random.uniform() - 2;
        outcomes.push_back({static_cast<float>(logit), 1, random.uniform() < sigmoid(slope * logit + shift)});
    }
    return outcomes;
}

TEST(Calibrate, FindsSlopeAndShift) {
    for (const auto& [slope, shift] : {std::pair(0.5, 0.4), {1.0, 0.0}, {2.0, -1.0}}) {
        const Calibration found = calibrate(distorted(slope, shift, 50000));
        EXPECT_NEAR(found.slope, slope, 0.05);
        EXPECT_NEAR(found.shift, shift, 0.05);
    }
}

TEST(Calibrate, APairOfWeightTwoIsTwoPairs) {
    std::vector<PairOutcome> heavy = distorted(0.5, 0.4, 2000), twice = heavy;
    twice.insert(twice.end(), heavy.begin(), heavy.end());
    for (PairOutcome& outcome : heavy) outcome.weight = 2;
    EXPECT_NEAR(calibrate(heavy).slope, calibrate(twice).slope, 1e-9);
    EXPECT_NEAR(calibrate(heavy).shift, calibrate(twice).shift, 1e-9);
}

/// Logits that say all or nothing, of which hardly anything is true: Newton's step alone would go anywhere.
TEST(Calibrate, EndsWhereLogitsAreMuchTooLarge) {
    std::vector<PairOutcome> outcomes = distorted(0.02, 0, 3000);
    for (PairOutcome& outcome : outcomes) outcome.logit *= 20;
    const Calibration found = calibrate(outcomes);
    double loss = 0;
    for (const PairOutcome& o : outcomes) {
        const double p = 1 / (1 + std::exp(-(found.slope * static_cast<double>(o.logit) + found.shift)));
        loss -= std::log(o.positive ? p : 1 - p) / 3000;
    }
    EXPECT_LT(loss, 0.70);
    EXPECT_LT(found.slope, 0.2);
}

TEST(Calibrate, ChangesNothingWhereNothingCanBeSaid) {
    const auto is_none = [](const Calibration& c) { return c.slope == 1 && c.shift == 0; };
    std::vector<PairOutcome> outcomes = distorted(0.5, 0.4, 1000);
    EXPECT_TRUE(is_none(calibrate({})));
    for (const bool positive : {false, true}) {
        for (PairOutcome& outcome : outcomes) outcome.positive = positive;
        EXPECT_TRUE(is_none(calibrate(outcomes)));
    }
    const Calibration turned = calibrate(distorted(-2, 0, 50000));
    EXPECT_NEAR(turned.slope, 0.01, 1e-9) << "a higher score must not mean less";
    EXPECT_NEAR(turned.shift, 0, 0.05);
    EXPECT_NEAR(calibrate(distorted(3, 2, 4)).shift, 0, 0.1) << "of few pairs, hardly any";
}

}  // namespace
}  // namespace seqrec::trainer
