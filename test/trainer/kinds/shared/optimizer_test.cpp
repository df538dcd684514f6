// AdamW by its formula, and tables whose untouched rows must fare as if they had been touched.
#include "kinds/shared/optimizer.hpp"

#include <cmath>

#include "kinds/shared/gradients.hpp"
#include "kinds/transformer/transformer_settings.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using testing::relative_error;

/// Settings of a shop that does not matter.
Settings adam_settings(double learning_rate, double weight_decay) {
    const testing::Shop shop({{0, 1}}, 2);
    return Settings(
        testing::small_options({{"learning_rate", learning_rate}, {"weight_decay", weight_decay}}), shop.data,
        nullptr);
}

Tensor row(std::vector<float> values) { return at::tensor(values); }

TEST(Schedule, WarmsUpOverAHundredSteps) {
    const Settings used = adam_settings(0.01, 0.1);
    Schedule schedule(used);
    EXPECT_FLOAT_EQ(schedule.next(1).learning_rate, 0.0001f);
    for (int step = 2; step < 50; ++step) schedule.next(1);
    EXPECT_FLOAT_EQ(schedule.next(1).learning_rate, 0.005f);
    EXPECT_FLOAT_EQ(schedule.next(0.5).learning_rate, 0.00255f);
    schedule.restart(400);
    EXPECT_FLOAT_EQ(schedule.next(0.25).learning_rate, 0.0025f);
    EXPECT_EQ(schedule.step(), 401);
    schedule.restart();
    EXPECT_FLOAT_EQ(schedule.next(1).learning_rate, 0.0001f);
    Schedule trained(used, Schedule::kTrained);
    EXPECT_FLOAT_EQ(trained.next(1).learning_rate, 0.0005f);
}

/// What makes up for moments that begin at zero, and an average that follows closely at first.
TEST(Schedule, CorrectsWhatBeginsAtZero) {
    const Settings used = adam_settings(0.01, 0.1);
    Schedule schedule(used);
    const kernels::AdamStep first = schedule.next(1);
    EXPECT_NEAR(first.correction1, 1 / (1 - 0.9), 1e-4);
    EXPECT_NEAR(first.correction2, 1 / (1 - 0.98), 1e-3);
    EXPECT_NEAR(first.average_rate, 1 - 2.0 / 11, 1e-6);
    schedule.restart(99999);
    const kernels::AdamStep late = schedule.next(1);
    EXPECT_NEAR(late.correction1, 1, 1e-6);
    EXPECT_NEAR(late.correction2, 1, 1e-6);
    EXPECT_NEAR(late.average_rate, 0.001, 1e-6);
}

/// One weight's course in double precision: Loshchilov and Hutter, decay apart from the gradient.
struct PlainAdamW {
    double weight, moment1 = 0, moment2 = 0, average = weight;

    void step(double gradient, const kernels::AdamStep& s, int t) {
        moment1 = 0.9 * moment1 + 0.1 * gradient;
        moment2 = 0.98 * moment2 + 0.02 * gradient * gradient;
        const double m = moment1 / (1 - std::pow(0.9, t)), v = moment2 / (1 - std::pow(0.98, t));
        weight -= s.learning_rate * (m / (std::sqrt(v) + 1e-8) + s.weight_decay * weight);
        average += s.average_rate * (weight - average);
    }
};

TEST(DenseOptimizer, IsAdamWOfTheSumOfTheShards) {
    const Settings used = adam_settings(0.1, 0.05);
    Schedule schedule(used);
    Workers workers(2);
    const Tensor weight = row({1, -2, 0.5f});
    std::vector<PlainAdamW> plain{{1}, {-2}, {0.5}};
    DenseOptimizer optimizer({weight, Tensor()});
    for (int t = 1; t <= 120; ++t) {
        const auto wave = [&](int i) { return static_cast<float>(std::sin(t * (i + 1))); };
        const auto part = [&](float share) {
            return std::vector{row({share * wave(0), share * wave(1), share * wave(2)}), Tensor()};
        };
        const kernels::AdamStep step = schedule.next(1);
        optimizer.apply({part(0.25f), part(0.75f)}, step, workers);
        for (int i = 0; i < 3; ++i) plain[static_cast<std::size_t>(i)].step(wave(i), step, t);
    }
    for (int i = 0; i < 3; ++i) {
        EXPECT_NEAR(weight.data_ptr<float>()[i], plain[static_cast<std::size_t>(i)].weight, 1e-4);
        EXPECT_NEAR(optimizer.averages()[0].data_ptr<float>()[i], plain[static_cast<std::size_t>(i)].average,
                    1e-4);
    }
    EXPECT_FALSE(optimizer.averages()[1].defined());
}

/// However a tensor is cut into pieces for the threads.
TEST(DenseOptimizer, IsTheSameForAnyNumberOfThreads) {
    const Settings used = adam_settings(0.1, 0.05);
    std::vector<Tensor> results;
    for (const int threads : {1, 3}) {
        Workers workers(threads);
        Schedule schedule(used);
        const Tensor weight = testing::leaf({100003}, 1).detach();
        DenseOptimizer optimizer(std::vector<Tensor>{weight});
        for (int t = 0; t < 3; ++t) {
            const std::vector<Tensor> gradients{testing::leaf({100003}, t).detach()};
            optimizer.apply({gradients}, schedule.next(1), workers);
        }
        results.push_back(weight);
    }
    EXPECT_TRUE(at::equal(results[0], results[1]));
}

TEST(DenseOptimizer, ShowsAllThatACheckpointNeeds) {
    DenseOptimizer optimizer({row({1}), Tensor(), row({2, 3})});
    std::vector<std::string> names;
    optimizer.for_each([&](const std::string& name, const Tensor&) { names.push_back(name); });
    EXPECT_EQ(names, (std::vector<std::string>{"moment1.0", "moment2.0", "average.0", "moment1.2",
                                               "moment2.2", "average.2"}));
}

TEST(RowGradient, MergesOverTheUnionOfRows) {
    const RowGradient total = merge({{{1, 4}, at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).reshape({2, 2})},
                                     {{}, at::empty({0, 2})},
                                     {{0, 4}, at::tensor({5.0f, 6.0f, 7.0f, 8.0f}).reshape({2, 2})}},
                                    2);
    EXPECT_EQ(total.rows, (std::vector<std::int32_t>{0, 1, 4}));
    EXPECT_TRUE(at::equal(total.values, at::tensor({5.0f, 6.0f, 1.0f, 2.0f, 10.0f, 12.0f}).reshape({3, 2})));
}

constexpr std::int64_t kRows = 7, kRowDim = 8;

/// The same gradients, zero where a step touches no row: what the dense optimizer makes of them.
struct DenseTwin {
    Tensor weight;
    DenseOptimizer optimizer{std::vector<Tensor>{weight}};

    void apply(const RowGradient& gradient, const kernels::AdamStep& step, Workers& workers) {
        const Tensor all = at::zeros({kRows, kRowDim});
        for (std::size_t r = 0; r < gradient.rows.size(); ++r)
            all.select(0, gradient.rows[r]).copy_(gradient.values.select(0, static_cast<std::int64_t>(r)));
        optimizer.apply({std::vector<Tensor>{all}}, step, workers);
    }
};

/// Row 0 is touched by every step, row 6 never, the others now and then.
RowGradient some_rows(int t) {
    RowGradient gradient;
    for (std::int32_t r = 0; r < kRows - 1; ++r)
        if (t % (r + 1) == 0) gradient.rows.push_back(r);
    gradient.values = testing::leaf({static_cast<std::int64_t>(gradient.rows.size()), kRowDim}, t).detach();
    return gradient;
}

/// What a row missed is decay, fading moments and the average's approach. A weight's own drift along its old
/// moments is left out on purpose: it is what rows that are touched by every step have and others must not.
TEST(RowTable, ARowOfEveryStepIsAsInTheDenseOptimizer) {
    const Settings used = adam_settings(0.02, 0.1);
    Schedule schedule(used);
    Workers workers(2);
    const Tensor start = testing::leaf({kRows, kRowDim}, 5).detach();
    RowTable table(start.clone());
    DenseTwin twin{start.clone()};
    for (int t = 1; t <= 60; ++t) {
        const RowGradient gradient = some_rows(t);
        const kernels::AdamStep step = schedule.next(1);
        table.apply(gradient, step, schedule.step(), workers);
        twin.apply(gradient, step, workers);
    }
    EXPECT_LT(relative_error(table.weight().select(0, 0), twin.weight.select(0, 0)), 1e-6);
    EXPECT_LT(
        relative_error(table.average(60, 0.001f).select(0, 0), twin.optimizer.averages()[0].select(0, 0)),
        1e-6);
    EXPECT_TRUE(at::equal(table.weight().select(0, kRows - 1), start.select(0, kRows - 1)));  // never touched
}

/// Touched with a gradient of nothing, a row that was never touched before is where decay alone brings it.
TEST(RowTable, MakesUpForTheDecayOfMissedSteps) {
    constexpr float kRate = 0.01f, kDecay = 0.5f, kAverage = 0.1f;
    const kernels::AdamStep step{.learning_rate = kRate,
                                 .beta1 = 0.9f,
                                 .beta2 = 0.98f,
                                 .epsilon = 1e-8f,
                                 .weight_decay = kDecay,
                                 .correction1 = 1,
                                 .correction2 = 1,
                                 .gradient_scale = 1,
                                 .average_rate = kAverage};
    Workers workers(1);
    RowTable late(at::ones({2, kRowDim})), steady(at::ones({2, kRowDim}));
    const Tensor nothing = at::zeros({1, kRowDim});
    for (int t = 1; t <= 20; ++t) steady.apply({{0}, nothing}, step, t, workers);
    late.apply({{0}, nothing}, step, 20, workers);
    const double wanted = std::pow(1 - kRate * kDecay, 20);
    for (const RowTable* table : {&late, &steady}) {
        EXPECT_NEAR(table->weight().data_ptr<float>()[0], wanted, 1e-5);
        EXPECT_EQ(table->weight().data_ptr<float>()[kRowDim], 1);  // the other row waits
    }
}

TEST(RowTable, MomentsFadeWhileARowIsNotTouched) {
    kernels::AdamStep step{.learning_rate = 0,
                           .beta1 = 0.9f,
                           .beta2 = 0.98f,
                           .epsilon = 1e-8f,
                           .weight_decay = 0,
                           .correction1 = 1,
                           .correction2 = 1,
                           .gradient_scale = 1,
                           .average_rate = 0.5f};
    Workers workers(1);
    RowTable table(at::ones({1, kRowDim}));
    table.apply({{0}, at::ones({1, kRowDim})}, step, 1, workers);
    table.apply({{0}, at::zeros({1, kRowDim})}, step, 11, workers);
    std::map<std::string, float> first;
    table.for_each("users.", [&](const std::string& name, const Tensor& tensor) {
        first[name] = tensor.flatten()[0].item<float>();
    });
    EXPECT_NEAR(first.at("users.moment1"), 0.1 * std::pow(0.9, 10), 1e-6);
    EXPECT_NEAR(first.at("users.moment2"), 0.02 * std::pow(0.98, 10), 1e-6);
    EXPECT_EQ(first.at("users.touched"), 11);
    EXPECT_EQ(first.at("users.weight"), 1);
}

/// A row that stands still is approached by its average, whether somebody looks at it or not.
TEST(RowTable, TheAverageIsThatOfNow) {
    kernels::AdamStep step{.learning_rate = 1,
                           .beta1 = 0,
                           .beta2 = 0,
                           .epsilon = 0,
                           .weight_decay = 0,
                           .correction1 = 1,
                           .correction2 = 1,
                           .gradient_scale = 1,
                           .average_rate = 0.1f};
    Workers workers(1);
    RowTable table(at::zeros({2, kRowDim}));
    table.apply({{1}, at::full({1, kRowDim}, -3.0f)}, step, 1, workers);  // one step of size 1 upwards
    EXPECT_EQ(table.weight().select(0, 1).data_ptr<float>()[0], 1);
    for (const int now : {1, 5, 50})
        EXPECT_NEAR(table.average(now, 0.1f).select(0, 1).data_ptr<float>()[0], 1 - std::pow(0.9, now), 1e-5)
            << now;
    EXPECT_EQ(table.average(50, 0.1f).select(0, 0).abs().sum().item<float>(), 0);
}

}  // namespace
}  // namespace seqrec::trainer
