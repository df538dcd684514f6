// The transformer as the trainer's interface has it: where it begins, and what it says it did.
#include "kinds/transformer/transformer_model.hpp"

#include <optional>

#include "core/kinds/transformer.hpp"
#include "files/model_file.hpp"
#include "kinds/shared/gradients.hpp"
#include "kinds/transformer/transformer_weights.hpp"
#include "shop.hpp"
#include "snapshots.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;
using seqrec::testing::error_of;
using seqrec::testing::TempFolder;
using testing::Sequences;
using testing::Shop;

constexpr std::int64_t kItems = 12;

/// So small a learning rate that what comes out is what went in.
json still(json given = json::object()) {
    json options = {
        {"epochs", 1}, {"max_len", 10}, {"learning_rate", 1e-8}, {"holdout", "keep"}, {"weight_decay", 0}};
    options.update(given);
    return testing::small_options(options);
}

struct Trial {
    Trained trained;
    std::string output;

    const TransformerWeights& served() const {
        return dynamic_cast<const TransformerWeights&>(*trained.served);
    }
};

Trial train(const Dataset& data, const json& options, const EarlierModel* earlier = nullptr) {
    const json config = earlier ? json::parse(earlier->file.meta("config")) : json();
    const auto model = kTransformerTrainer.make(options, data, config);
    if (earlier) model->start_from(*earlier);
    Workers workers(1);
    ::testing::internal::CaptureStdout();
    Trial trial;
    {
        Reporter reporter;
        trial.trained = model->train({data, workers, reporter, ""});
    }
    trial.output = ::testing::internal::GetCapturedStdout();
    return trial;
}

TEST(TransformerModel, SaysHowItWasTrained) {
    const Shop shop(testing::walks(30, kItems, 10), kItems);
    const Trial trial = train(shop.data, still({{"members", 2}, {"epochs", 3}}));
    const json& config = trial.trained.config;
    EXPECT_EQ(config.at("members"), 2);
    EXPECT_EQ(config.at("learning_rate"), 1e-8);
    EXPECT_EQ(config.at("trained_epochs"), 3);
    EXPECT_EQ(trial.trained.metrics.at("epochs"), 6);  // of both members
    for (const char* name : {"labels", "labels_per_s", "steps", "train_seconds", "user_scale", "best_epoch"})
        EXPECT_TRUE(trial.trained.metrics.contains(name)) << name;
    for (const char* name : {"flops", "step_seconds"})
        EXPECT_FALSE(trial.trained.metrics.contains(name)) << name;
    EXPECT_EQ(trial.served().members().size(), 2U);
    EXPECT_NE(trial.output.find("\"phase\":\"training\""), std::string::npos);
}

TEST(TransformerModel, MembersBeginFromRandomNumbersOfTheirOwn) {
    const Shop shop(testing::walks(30, kItems, 10), kItems);
    const Trial trial = train(shop.data, still({{"members", 2}}));
    const Members& members = trial.served().members();
    EXPECT_GT(testing::relative_error(members[0].network.item, members[1].network.item), 1);
}

/// A model of the items a to d and the users u to w, and a dataset that knows some of them and some others.
struct WarmStart {
    TempFolder folder;
    Trial before;
    std::optional<EarlierModel> earlier;

    explicit WarmStart(const testing::Names& names) {
        const testing::Names first{{"a", "b", "c", "d"}, {"u", "v", "w"}};
        testing::write_dataset(folder / "first", testing::walks(3, 4, 8), 4, "", first);
        const Dataset data(folder / "first");
        before = train(data, still());
        write_model(folder / "model", {kTransformer, before.trained.config, json::object()},
                    *before.trained.served, data, nullptr);
        testing::write_snapshot(SafetensorsFile::open(folder / "model"), first, folder / "snapshot");
        const auto items = static_cast<std::int64_t>(names.items.size());
        testing::write_dataset(
            folder / "second",
            testing::walks(static_cast<int>(names.users.size()), static_cast<int>(items), 8), items, "",
            names);
        earlier.emplace(folder / "snapshot", folder / "second");
    }
};

TEST(TransformerModel, AWarmStartKeepsKnownRowsAndGivesFreshOnes) {
    const WarmStart warm({{"new", "c", "a"}, {"w", "other"}});
    const Trial after = train(Dataset(warm.folder / "second"), still({{"seed", 2}}), &*warm.earlier);
    const Member &old = warm.before.served().members()[0], &now = after.served().members()[0];
    const auto same = [](const Tensor& a, const Tensor& b) { return testing::relative_error(a, b) < 1e-3; };
    EXPECT_TRUE(same(now.network.item.select(0, 1), old.network.item.select(0, 2)));  // c
    EXPECT_TRUE(same(now.network.item.select(0, 2), old.network.item.select(0, 0)));  // a
    for (std::int64_t i = 0; i < 4; ++i)
        EXPECT_FALSE(same(now.network.item.select(0, 0), old.network.item.select(0, i))) << i;
    EXPECT_GT(now.network.item.select(0, 0).norm().item<float>(), 0.005);  // fresh, not zero
    EXPECT_TRUE(same(now.network.blocks[0].qkv_weight, old.network.blocks[0].qkv_weight));
    EXPECT_TRUE(same(now.network.position, old.network.position));
}

TEST(TransformerModel, AnotherShapeIsRefused) {
    const WarmStart warm({{"a", "b"}, {"u"}});
    const Dataset data(warm.folder / "second");
    for (const json& shape :
         {json{{"dim", 16}}, {{"layers", 2}}, {{"heads", 2}}, {{"max_len", 20}}, {{"members", 2}}}) {
        std::string message;
        EXPECT_EQ(error_of([&] { train(data, still(shape), &*warm.earlier); }, &message), "22023") << shape;
        EXPECT_NE(message.find("taken from it"), std::string::npos) << message;
    }
}

}  // namespace
}  // namespace seqrec::trainer
