// Passes against the formula, and derivatives against differences.
#include "kinds/logistic/passes.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "rich_design.hpp"

namespace seqrec::trainer {
namespace {

using testing::Rich;
using testing::slow_logit;
using testing::Wanted;

constexpr Pairs kAll{Of::All};

/// Of each group at most twenty coefficients that pairs have, and as many of the others.
std::vector<std::size_t> some_of_each_group(const Rich& rich) {
    const std::vector<float> counts = rich.passes.counts(kAll);
    std::map<std::pair<std::uint16_t, bool>, std::vector<std::size_t>> all;
    for (std::size_t i = 0; i < counts.size(); ++i)
        all[{rich.design.group_of()[i], counts[i] > 0}].push_back(i);
    std::vector<std::size_t> some;
    for (const auto& [group, each] : all)
        for (std::size_t i = 0; i < each.size(); i += each.size() / 20 + 1) some.push_back(each[i]);
    return some;
}

struct Case {
    const char* name;
    Wanted wanted;
    nlohmann::json options;
};

class Derivatives : public ::testing::TestWithParam<Case> {
  protected:
    /// What was clicked has no age, so that there is nothing to learn of one.
    bool is_free(std::uint16_t group) const {
        return !rich_.design.groups()[group].name.ends_with("clicked made");
    }
    double loss(std::span<const float> at) {
        std::vector<float> ignored(at.size());
        return rich_.passes.gradient(kAll, at, ignored);
    }
    std::vector<float> gradient(std::span<const float> at) {
        std::vector<float> gradient(at.size());
        rich_.passes.gradient(kAll, at, gradient);
        return gradient;
    }

    Rich rich_{GetParam().wanted, GetParam().options};
    std::vector<float> at_ = rich_.coefficients();
};

/// The derivative of `function` by coefficient i: Richardson's extrapolation of two central differences, whose
/// steps are short where the loss bends much.
template <typename Function>
double difference(std::vector<float> at, std::size_t i, float curvature, const Function& function) {
    const float place = at[i], step = 0.1f / std::max(1.0f, std::sqrt(curvature));
    const auto central = [&](float by) {
        at[i] = place + by;
        const double up = function(at);
        at[i] = place - by;
        return (up - function(at)) / (2 * static_cast<double>(by));
    };
    return (4 * central(step / 2) - central(step)) / 3;
}

TEST_P(Derivatives, TheGradientIsTheDifferenceOfLosses) {
    const std::vector<float> gradient = this->gradient(at_), curvature = rich_.passes.curvature(kAll, at_);
    std::map<std::uint16_t, float> largest;
    for (const std::size_t i : some_of_each_group(rich_)) {
        const double expected = difference(at_, i, curvature[i], [&](const auto& at) { return loss(at); });
        EXPECT_NEAR(gradient[i], expected, 2e-3 + 2e-3 * std::abs(expected)) << i;
        float& most = largest[rich_.design.group_of()[i]];
        most = std::max(most, std::abs(gradient[i]));
    }
    for (const auto& [group, most] : largest)
        EXPECT_TRUE(group == Design::kOff || is_free(group) == (most > 0.01f))
            << rich_.design.groups()[group].name << most;
}

TEST_P(Derivatives, TheCurvatureIsTheDifferenceOfGradients) {
    const std::vector<float> curvature = rich_.passes.curvature(kAll, at_);
    for (const std::size_t i : some_of_each_group(rich_)) {
        const double expected = difference(
            at_, i, curvature[i], [&](const auto& at) { return static_cast<double>(gradient(at)[i]); });
        EXPECT_NEAR(curvature[i], expected, 2e-3 + 2e-3 * expected) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Designs, Derivatives,
                         ::testing::Values(Case{"labels", {}, {}},
                                           Case{"labels_without_ids", {}, {{"ids", false}}},
                                           Case{"no_crosses", {}, {{"crosses", "none"}}},
                                           Case{"drawn", {.labels = false}, {{"negatives", 2}}},
                                           Case{"drawn_without_ids_or_times",
                                                {.labels = false, .times = false},
                                                {{"ids", false}}}),
                         [](const auto& info) { return info.param.name; });

/// Pairs of a part as outcomes() has them: user after user, place after place.
struct Told {
    std::int64_t user, place;
    Design::Event event;
};
std::vector<Told> told(const Rich& rich) {
    std::vector<Told> all;
    for (std::int64_t u = 0; u < rich.shop.data.users(); ++u)
        for (std::int64_t at = 0; at < static_cast<std::int64_t>(rich.shop.data.sequence(u).size()); ++at) {
            const auto event = rich.design.event(rich.shop.data.offsets()[static_cast<std::size_t>(u)] + at);
            if (event.positive >= 0 && event.weight > 0) all.push_back({u, at, event});
        }
    return all;
}

TEST(Passes, LogitsAreTheFormulas) {
    for (const bool ids : {true, false})
        for (const Split split : {Split::LeaveOneOut, Split::Random}) {
            const Rich rich(Wanted{}, {{"ids", ids}}, 1, split);
            const std::vector<float> at = rich.coefficients();
            const std::vector<PairOutcome> outcomes = rich.passes.outcomes(kAll, at);
            const std::vector<Told> pairs = told(rich);
            ASSERT_EQ(outcomes.size(), pairs.size());
            for (std::size_t i = 0; i < pairs.size(); ++i) {
                const auto& [user, place, event] = pairs[i];
                const std::int32_t item = rich.shop.data.sequence(user)[static_cast<std::size_t>(place)];
                EXPECT_NEAR(outcomes[i].logit, slow_logit(rich, at, user, place, item), 1e-4) << i;
                EXPECT_EQ(outcomes[i].positive, event.positive == 1);
                EXPECT_EQ(outcomes[i].weight, event.weight);
            }
        }
}

/// What a draw of the item makes likelier is taken off.
TEST(Passes, WithoutLabelsItemsAreDrawn) {
    const Rich rich(Wanted{.labels = false}, {{"negatives", 3}});
    const std::vector<float> at = rich.coefficients();
    const std::vector<PairOutcome> outcomes = rich.passes.outcomes(kAll, at);
    const std::vector<Told> pairs = told(rich);
    ASSERT_EQ(outcomes.size(), 4 * pairs.size());
    const std::vector<std::int64_t> counts = rich.shop.data.counts(Part::All);
    const auto expected = [&](const Told& pair, std::int64_t item) {
        const double often =
            0.5 / testing::kRichItems + 0.5 * static_cast<double>(counts[static_cast<std::size_t>(item)]) /
                                            static_cast<double>(rich.shop.data.interactions());
        EXPECT_NEAR(rich.passes.correction(item), std::log(3 * often), 1e-5);
        return slow_logit(rich, at, pair.user, pair.place, item) - std::log(3 * often);
    };
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        const Told& pair = pairs[i / 4];
        EXPECT_EQ(outcomes[i].positive, i % 4 == 0);
        EXPECT_EQ(outcomes[i].weight, pair.event.weight);
        double nearest = 1e9;
        for (std::int64_t item = 0; item < testing::kRichItems; ++item)
            if (i % 4 != 0 ||
                item == rich.shop.data.sequence(pair.user)[static_cast<std::size_t>(pair.place)])
                nearest = std::min(nearest,
                                   std::abs(expected(pair, item) - static_cast<double>(outcomes[i].logit)));
        EXPECT_LT(nearest, 1e-4) << i;
    }
}

TEST(Passes, LabelsNeedNoCorrection) {
    const Rich rich(Wanted{});
    for (std::int64_t item = 0; item < testing::kRichItems; ++item)
        EXPECT_EQ(rich.passes.correction(item), 0);
}

TEST(Passes, ThreadsAgree) {
    for (const bool labels : {true, false}) {
        const Rich one(Wanted{labels}, {}, 1), three(Wanted{labels}, {}, 3);
        const std::vector<float> at = one.coefficients();
        std::vector<float> first(at.size()), second(at.size());
        EXPECT_NEAR(one.passes.gradient(kAll, at, first), three.passes.gradient(kAll, at, second), 1e-4);
        for (std::size_t i = 0; i < at.size(); ++i) ASSERT_NEAR(first[i], second[i], 1e-4) << i;
        const auto left = one.passes.curvature(kAll, at), right = three.passes.curvature(kAll, at);
        for (std::size_t i = 0; i < at.size(); ++i) ASSERT_NEAR(left[i], right[i], 1e-4) << i;
        EXPECT_EQ(one.passes.counts(kAll), three.passes.counts(kAll));
        EXPECT_EQ(three.passes.gradient(kAll, at, first), three.passes.gradient(kAll, at, second));
        EXPECT_EQ(first, second) << "every pass";
    }
}

std::vector<float> sorted_logits(const std::vector<PairOutcome>& outcomes) {
    std::vector<float> logits;
    for (const PairOutcome& outcome : outcomes) logits.push_back(outcome.logit);
    std::ranges::sort(logits);
    return logits;
}

TEST(Passes, FoldsPartThePairs) {
    const Rich rich(Wanted{.labels = false});
    const std::vector<float> at = rich.coefficients();
    std::vector<PairOutcome> together;
    std::vector<float> sum(at.size()), gradient(at.size());
    double loss = 0;
    const std::vector<float> whole = sorted_logits(rich.passes.outcomes({Of::Training}, at));
    for (int fold = 0; fold < kFolds; ++fold) {
        auto inside = rich.passes.outcomes({Of::Training, Pairs::Fold::Inside, fold}, at);
        const auto outside = rich.passes.outcomes({Of::Training, Pairs::Fold::Outside, fold}, at);
        EXPECT_GT(inside.size(), whole.size() / 20);
        loss += rich.passes.gradient({Of::Training, Pairs::Fold::Inside, fold}, at, gradient);
        for (std::size_t i = 0; i < at.size(); ++i) sum[i] += gradient[i];
        together.insert(together.end(), inside.begin(), inside.end());
        inside.insert(inside.end(), outside.begin(), outside.end());
        EXPECT_EQ(sorted_logits(inside), whole);
    }
    EXPECT_EQ(sorted_logits(together), whole);
    EXPECT_NEAR(loss, rich.passes.gradient({Of::Training}, at, gradient), 1e-4);
    for (std::size_t i = 0; i < at.size(); ++i) ASSERT_NEAR(sum[i], gradient[i], 1e-4) << i;
}

TEST(Passes, PartsPartThePairs) {
    for (const Split split : {Split::LeaveOneOut, Split::Time, Split::Random}) {
        const Rich rich(Wanted{}, {}, 1, split);
        const std::vector<float> at = rich.coefficients();
        std::vector<PairOutcome> together;
        for (const Of of : {Of::Training, Of::Validation, Of::Test}) {
            const auto part = rich.passes.outcomes({of}, at);
            EXPECT_FALSE(part.empty());
            together.insert(together.end(), part.begin(), part.end());
        }
        EXPECT_EQ(sorted_logits(together), sorted_logits(rich.passes.outcomes(kAll, at)));
    }
}

/// Those of the intercept, of a user and of an item are all pairs, the user's and the item's.
TEST(Passes, CountsArePairs) {
    const Rich rich(Wanted{});
    const Layout& layout = rich.design.layout();
    const std::vector<float> counts = rich.passes.counts(kAll);
    const auto count = [&](std::int64_t at) { return counts[static_cast<std::size_t>(at)]; };
    std::vector<float> users(testing::kRichUsers), items(testing::kRichItems);
    for (const Told& pair : told(rich)) {
        ++users[static_cast<std::size_t>(pair.user)];
        ++items[static_cast<std::size_t>(
            rich.shop.data.sequence(pair.user)[static_cast<std::size_t>(pair.place)])];
    }
    EXPECT_EQ(count(layout.columns), static_cast<float>(told(rich).size()));
    for (std::int64_t u = 0; u < testing::kRichUsers; ++u)
        EXPECT_EQ(count(layout.user_rows() + u * layout.width() + layout.columns),
                  users[static_cast<std::size_t>(u)]);
    for (std::int64_t i = 0; i < testing::kRichItems; ++i)
        EXPECT_EQ(count(layout.item_rows() + i * layout.own), items[static_cast<std::size_t>(i)]);
}

}  // namespace
}  // namespace seqrec::trainer
