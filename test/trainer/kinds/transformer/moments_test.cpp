// What is known of a moment: its features, what is left unsaid, what labels weigh, and what the networks make of it.
#include "kinds/transformer/moments.hpp"

#include <cmath>
#include <set>

#include "core/kinds/transformer.hpp"
#include "core/kinds/transformer_context.hpp"
#include "featured_shop.hpp"
#include "files/model_file.hpp"
#include "kinds/shared/gradients.hpp"
#include "kinds/shared/plain_ops.hpp"
#include "kinds/transformer/shard.hpp"
#include "kinds/transformer/transformer_weights.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using seqrec::testing::error_of;
using testing::FeaturedData;
using testing::FeaturedShop;

constexpr double kThursday = 1795651200;  // 26 November 2026, midnight
constexpr std::int64_t kTimedItems = 6, kTimedDim = 8;
constexpr ContextUse kAll{true, true};

/// Two users of four clicks each; the device of the last is not known.
FeaturedData shop() {
    FeaturedData data{.sequences = {{0, 1, 2, 3}, {4, 5, 0, 1}}, .items = kTimedItems};
    for (int i = 0; i < 8; ++i) data.times.push_back(kThursday + 3600.0 * i * i);
    data.event.push_back({"device",
                          "category",
                          {},
                          {{"phone"}, {"desk"}, {"phone"}, {"phone"}, {"desk"}, {"desk"}, {"phone"}, {}}});
    data.event.push_back({"shop", "category", {}, std::vector<std::vector<std::string>>(8, {"x"})});
    return data;
}

std::multiset<std::string> told(const Moments& moments, std::int64_t place, std::int64_t before) {
    std::vector<QueryFeature> features;
    moments.append(place, before, features);
    std::multiset<std::string> names;
    for (const QueryFeature& feature : features)
        names.insert(moments.names()[static_cast<std::size_t>(feature.row)]);
    return names;
}

TEST(Moments, AreTimeAndColumns) {
    const FeaturedShop of(shop());
    EXPECT_EQ(context_of(of.data), kAll);
    const Moments moments(of.data, kAll);
    EXPECT_EQ(moments.columns(), 4)
        << "hour, weekday, gap and device; a column that is always the same says nothing";
    EXPECT_EQ(told(moments, 2, 1), (std::multiset<std::string>{"device\ncategory\n=phone", "gap\nnumber\n=14",
                                                               "hour\nnumber\n=4", "weekday\nnumber\n=3"}));
    EXPECT_EQ(told(moments, 5, -1), (std::multiset<std::string>{"device\ncategory\n=desk", "hour\nnumber\n=1",
                                                                "weekday\nnumber\n=4"}))
        << "25 hours on it is Friday, and nobody knows what was before";
    EXPECT_TRUE(told(moments, 7, 6).contains("device\ncategory\nmissing"));
    EXPECT_EQ(told(Moments(of.data, {false, true}), 2, 1),
              (std::multiset<std::string>{"device\ncategory\n=phone"}));
    EXPECT_FALSE(Moments(of.data, {}).exists());
}

TEST(Moments, KnowAClockFromOtherNumbers) {
    FeaturedData data = shop();
    const auto is = [&](std::vector<double> times) {
        data.times = std::move(times);
        return is_clock(FeaturedShop(data).data);
    };
    EXPECT_FALSE(is({}));  // 0 to 7
    EXPECT_FALSE(is(std::vector<double>(8, kThursday)));
    EXPECT_FALSE(is({1e12, 2e12, 3e12, 4e12, 5e12, 6e12, 7e12, 8e12}));
    EXPECT_FALSE(is({0, kThursday, kThursday + 1, kThursday + 2, 5e9, 5e9, 5e9, 5e9}));
    EXPECT_TRUE(is({1e8, 1e8, 1e8, 1e8, 1e8, 1e8, 1e8, 2e8}));
}

/// A batch of both users' first three clicks, each with the next as its label.
Packed batch_of(const Dataset& data, std::uint32_t seed = 1) {
    Packed batch;
    for (std::int32_t u = 0; u < 2; ++u) {
        const auto items = data.sequence(u);
        batch.append(items.first(3), u);
        batch.labels.insert(batch.labels.end(), items.begin() + 1, items.end());
        for (std::int64_t i = 0; i < 3; ++i) {
            batch.places.push_back(4 * u + i);
            batch.label_places.push_back(4 * u + i + 1);
        }
    }
    batch.seed = seed;
    return batch;
}

TEST(Moments, MuchIsLeftUnsaidAtRandom) {
    const FeaturedShop of(shop());
    const Moments moments(of.data, kAll);
    std::set<std::size_t> inputs, questions;
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
        const Packed batch = batch_of(of.data, seed);
        const auto in = input_terms(moments, batch), asked = question_terms(moments, batch);
        ASSERT_EQ(in->tokens(), 6);
        ASSERT_EQ(asked->tokens(), 6);
        inputs.insert(in->terms.size());
        questions.insert(asked->terms.size());
        EXPECT_EQ(input_terms(moments, batch)->terms.size(), in->terms.size()) << "the seed decides";
    }
    EXPECT_TRUE(inputs.contains(0)) << "nothing is said of any click";
    EXPECT_GE(*inputs.rbegin(), 18U) << "almost everything is said";
    EXPECT_GE(*questions.rbegin(), 18U);
    EXPECT_GT(questions.size(), 5U);
}

TEST(Moments, OnlyWhatCountsIsALabel) {
    FeaturedData data = shop();
    data.weights = {1, 2, -1, 3, 1, 0, 0.5F, 1};
    const FeaturedShop of(data);
    const std::vector<float> weights = label_weights(of.data);
    EXPECT_EQ(weights, data.weights);
    Packed batch = batch_of(of.data);
    weigh_labels(batch, weights);
    EXPECT_EQ(batch.items, (std::vector<std::int32_t>{0, 1, 2, 4, 5, 0})) << "it is context all the same";
    EXPECT_EQ(batch.labels, (std::vector<std::int32_t>{1, 3, 0, 1}));
    EXPECT_EQ(batch.trained, (std::vector<std::int32_t>{0, 2, 4, 5}));
    EXPECT_EQ(batch.label_places, (std::vector<std::int64_t>{1, 3, 6, 7}));
    EXPECT_EQ(batch.label_weights, (std::vector<float>{2, 3, 0.5F, 1}));
    data.weights.assign(8, 3);
    EXPECT_TRUE(label_weights(FeaturedShop(data).data).empty()) << "all alike";
    data.weights.assign(8, 0);
    EXPECT_EQ(error_of([&] { label_weights(FeaturedShop(data).data); }), sqlstate::kNotEnoughData);
    data.weights.assign(8, NAN);
    EXPECT_EQ(error_of([&] { label_weights(FeaturedShop(data).data); }), sqlstate::kDataCorrupted);
}

TEST(Moments, WhatDoesNotCountIsNeverAskedFor) {
    FeaturedData data = shop();
    data.weights = {1, 1, -1, 1, 1, 1, 1, -1};
    DatasetOptions options = testing::with_repeats("keep");
    options.asks_by_weight = true;
    const FeaturedShop of(data, options);
    EXPECT_EQ(of.data.questions(HeldOut::Test), (std::vector<Question>{{0, 3}, {1, 2}}));
    EXPECT_EQ(of.data.questions(HeldOut::Validation), (std::vector<Question>{{0, 1}, {1, 1}}));
    EXPECT_EQ(FeaturedShop(data).data.questions(HeldOut::Test), (std::vector<Question>{{0, 3}, {1, 3}}))
        << "kinds with labels of their own ask for all";
}

/// A network that knows moments, and what a step makes of a batch.
struct Timed {
    FeaturedShop of{shop()};
    Settings settings{testing::small_options({{"dropout", 0}, {"temperature", 0.5}, {"max_len", 5}}), of.data,
                      nullptr};
    Moments moments{of.data, kAll};
    Transformer model;
    RowTable users{0.5 * testing::leaf({2, kTimedDim}, 2).detach()};
    std::vector<float> share = std::vector<float>(kTimedItems, 0);
    Content content{};

    Timed() {
        Random random(1);
        model = Transformer(settings, kTimedItems, random);
        model.item = testing::leaf({kTimedItems, kTimedDim}, 1).detach();
        model.begin_moments(moments.rows());
        model.click_moments = testing::leaf({moments.rows(), kTimedDim}, 3).detach();
        model.asked_moments = testing::leaf({moments.rows(), kTimedDim}, 4).detach();
    }
    ShardOutput run(const Packed& batch, bool told = true) const {
        Transformer network = model;
        if (!told) network.begin_moments(0);
        return compute_shard({network, users, settings, share, 0, content, told ? &moments : nullptr}, batch,
                             0.25);
    }
};

TEST(Moments, GradientsAreThoseOfTheLoss) {
    Timed fixture;
    const Packed batch = batch_of(fixture.of.data, 7);
    const ShardOutput output = fixture.run(batch);
    std::size_t at = 0;
    const auto names = [&] {
        std::vector<std::string> all;
        fixture.model.for_each([&](const std::string& name, Tensor&) { all.push_back(name); });
        return all;
    }();
    for (Tensor* table : {&fixture.model.click_moments, &fixture.model.asked_moments}) {
        const char* name = at++ == 0 ? "context.in" : "context.out";
        const auto place = static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
        const Tensor gradient = output.dense.at(place);
        EXPECT_GT(gradient.abs().max().item<float>(), 1e-4F) << name;
        const Tensor along = gradient / gradient.norm(), before = table->clone();
        const double step = 1e-2;
        *table = before + step * along;
        const double more = fixture.run(batch).loss;
        *table = before - step * along;
        const double less = fixture.run(batch).loss;
        *table = before;
        EXPECT_NEAR((more - less) / (2 * step), gradient.norm().item<double>(),
                    0.02 * gradient.norm().item<double>() + 1e-4)
            << name;
    }
}

TEST(Moments, TablesOfZerosChangeNothing) {
    Timed fixture;
    const Packed batch = batch_of(fixture.of.data, 7);
    const double plain = fixture.run(batch, false).loss;
    EXPECT_NE(fixture.run(batch).loss, plain);
    fixture.model.begin_moments(fixture.moments.rows());
    EXPECT_NEAR(fixture.run(batch).loss, plain, 1e-6);
}

TEST(Moments, ALabelCountsWhatItWeighs) {
    Timed fixture;
    Packed batch = batch_of(fixture.of.data, 7);
    const auto loss_of = [&](std::vector<float> weights) {
        Packed weighed = batch;
        weigh_labels(weighed, weights);
        return fixture.run(weighed, false).loss;
    };
    const std::vector<float> ones(8, 1);
    const double all = loss_of(ones);
    EXPECT_NEAR(all, fixture.run(batch, false).loss, 1e-6);
    std::vector<float> three = ones, none = ones;
    three[2] = 3;
    none[2] = -1;
    EXPECT_NEAR(loss_of(three) - all, 2 * (all - loss_of(none)), 1e-5);
    EXPECT_GT(std::abs(all - loss_of(none)), 1e-3);
}

TEST(Moments, AModelFileAnswersAsTheTrainerDoes) {
    const Timed fixture;
    const TransformerWeights weights({{fixture.model, fixture.users.weight()}}, fixture.moments.tensors());
    nlohmann::json config = {{"members", 1}, {"dim", kTimedDim}, {"layers", 1}, {"heads", 1}, {"max_len", 5}};
    config.update(fixture.moments.config());
    const seqrec::testing::TempFolder folder;
    write_model(folder / "model", {kTransformer, config, nlohmann::json::object()}, weights, fixture.of.data,
                nullptr, {});
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    const TransformerEncoder encoder(file);
    const std::vector<Question> questions = {{0, 3}, {1, 2}};
    const Tensor plain = weights.ask(fixture.of.data, questions);
    const Tensor said = InformedWeights(weights, fixture.moments, kAll).ask(fixture.of.data, questions);
    const Tensor all = InformedWeights(weights, fixture.moments, kAll, true).ask(fixture.of.data, questions);
    const auto expect = [&](const Tensor& wanted, const nlohmann::json* context,
                            std::vector<std::int32_t> places) {
        std::vector<float> out(kTimedDim);
        const auto clicks = fixture.of.data.sequence(0).first(3);
        encoder.encode({clicks, 0, context, places}, out, Precision::Exact);
        EXPECT_LT(testing::relative_error(at::from_blob(out.data(), {kTimedDim}), wanted[0]), 1e-4);
    };
    const double at = kThursday + 9 * 3600;
    nlohmann::json context = {{"device", "phone"}, {"time", at}, {"gap", 5 * 3600}};
    expect(plain, nullptr, {});
    expect(said, &context, {});
    context["clicks"] = {{{"device", "phone"}, {"time", kThursday}},
                         {{"device", "desk"}, {"time", kThursday + 3600}, {"gap", 3600}},
                         {{"device", "phone"}, {"time", kThursday + 4 * 3600}, {"gap", 3 * 3600}}};
    expect(all, &context, {0, 1, 2});
    EXPECT_GT(testing::relative_error(said, plain), 1e-2);
    EXPECT_GT(testing::relative_error(all, said), 1e-2);
    // and as it is read again
    const TransformerWeights read(file);
    EXPECT_LT(testing::relative_error(
                  InformedWeights(read, fixture.moments, kAll, true).ask(fixture.of.data, questions), all),
              1e-5);
    EXPECT_EQ(read.tensors().size(), weights.tensors().size());
    EXPECT_EQ(moment_names(file), fixture.moments.names());
}

TEST(Moments, OtherDevicesGatherAsTheKernelsDo) {
    Terms terms;
    terms.add(0, 2, 1.5F);
    terms.add(0, 0, 1);
    terms.end_token();
    terms.end_token();
    terms.add(0, 2, -1);
    terms.end_token();
    const auto shared = std::make_shared<const Terms>(terms);
    testing::expect_equal(
        {testing::leaf({3, kTimedDim}, 1)},
        [&](const std::vector<Tensor>& in) { return gather(in, shared, {}); },
        [&](const std::vector<Tensor>& in) { return plain::gather(in[0], terms); });
}

}  // namespace
}  // namespace seqrec::trainer
