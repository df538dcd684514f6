// The transformer as the trainer's interface has it: where it begins, and what it says it did.
#include "kinds/transformer/transformer_model.hpp"

#include <optional>

#include "core/kinds/transformer.hpp"
#include "featured_shop.hpp"
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

constexpr std::int64_t kModelItems = 12;

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
    const Shop shop(testing::walks(30, kModelItems, 10), kModelItems);
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

/// With so small a learning rate a student is as bad as its teachers, so that it may be either; what is said fits what is served.
TEST(TransformerModel, SaysWhoIsServed) {
    const Shop shop(testing::walks(30, kModelItems, 10), kModelItems);
    const Trial trial = train(shop.data, still({{"members", 2}, {"students", 1}, {"epochs", 3}}));
    const json& config = trial.trained.config;
    EXPECT_EQ(config.at("members"), trial.served().members().size());
    EXPECT_EQ(config.at("members"), config.at("students") == 1 ? 1 : 2);
    EXPECT_EQ(config.at("trained_epochs"), 3);
    EXPECT_EQ(trial.trained.metrics.at("epochs"), 9);  // of all three
    EXPECT_EQ(trial.trained.metrics.at("teaching").at("teachers"), 2);
}

TEST(TransformerModel, TellsWhichNetworkAnEpochIsOf) {
    const Shop shop(testing::walks(30, kModelItems, 10), kModelItems);
    const Trial trial = train(shop.data, still({{"members", 2}, {"students", 1}, {"epochs", 2}}));
    std::vector<std::string> told;
    for (const json& event : testing::read_events(trial.output)) {
        if (event.at("event") != "epoch") continue;
        const std::string who = event.value("stage", "network") + " " + event.at("member").dump() + " of " +
                                event.at("members").dump();
        if (told.empty() || told.back() != who) told.push_back(who);
    }
    EXPECT_EQ(told, (std::vector<std::string>{"network 1 of 2", "network 2 of 2", "student 1 of 1"}));
}

/// Labels that weigh nothing are left out before others say what follows the rest.
TEST(TransformerModel, StudentsLearnTheLabelsThatCount) {
    testing::FeaturedData given{.sequences = testing::walks(200, kModelItems, 10, 4), .items = kModelItems};
    std::size_t rows = 0;
    for (const auto& sequence : given.sequences) rows += sequence.size();
    for (std::size_t row = 0; row < rows; ++row) given.weights.push_back(static_cast<float>(row % 2));
    const testing::FeaturedShop shop(given);
    const json options = testing::small_options({{"members", 2},
                                                 {"students", 1},
                                                 {"epochs", 15},
                                                 {"dim", 16},
                                                 {"max_len", 10},
                                                 {"learning_rate", 0.02},
                                                 {"batch_tokens", 200},
                                                 {"dropout", 0.1},
                                                 {"holdout", "keep"}});
    const json told = train(shop.data, options).trained.metrics.at("teaching");
    EXPECT_GT(told.at("students_ndcg@10").get<double>(), 0.9 * told.at("teachers_ndcg@10").get<double>())
        << told.dump();
}

TEST(TransformerModel, MembersBeginFromRandomNumbersOfTheirOwn) {
    const Shop shop(testing::walks(30, kModelItems, 10), kModelItems);
    const Trial trial = train(shop.data, still({{"members", 2}}));
    const Members& members = trial.served().members();
    EXPECT_GT(testing::relative_error(members[0].network.item, members[1].network.item), 1);
}

/// A model of the items a to d and the users u to w, and a dataset that knows some of them and some others.
struct WarmStart {
    TempFolder folder;
    Trial before;
    std::optional<EarlierModel> earlier;

    explicit WarmStart(const testing::Names& names, const json& options = json::object()) {
        const testing::Names first{{"a", "b", "c", "d"}, {"u", "v", "w"}};
        testing::write_dataset(folder / "first", testing::walks(3, 4, 8), 4, "", first);
        const Dataset data(folder / "first");
        before = train(data, still(options));
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

TEST(TransformerModel, AWarmStartKeepsUsersVectorsWhereItHasAny) {
    const testing::Names names{{"a", "b"}, {"w", "other"}};
    const WarmStart with(names, {{"user_dropout", 0.5}}), without(names);
    const auto users = [&](const WarmStart& warm, const json& options) {
        return train(Dataset(warm.folder / "second"), still(options), &*warm.earlier).served().user_rows();
    };
    const Tensor old = with.before.served().user_rows(), kept = users(with, json::object());
    ASSERT_EQ(kept.sizes(), (std::vector<std::int64_t>{2, old.size(1)}));
    EXPECT_LT((kept[0] - old[2]).abs().max().item<float>(), 1e-6) << "w";
    EXPECT_EQ(users(with, {{"user_dropout", 1}}).size(1), 0);
    EXPECT_EQ(users(without, json::object()).size(1), 0);
    EXPECT_EQ(users(without, {{"user_dropout", 0.5}}).size(1), old.size(1));
}

/// So that a pass or two over new rows are enough: its fresh row, and the mean of theirs.
TEST(TransformerModel, NewItemsBeginBesideThoseClickedWithThem) {
    const testing::Names names{{"a", "b", "c", "d", "new", "other"}, {"u", "v"}};
    const WarmStart warm(names);
    const auto row_of_new = [&](const Sequences& sequences) {
        testing::write_dataset(warm.folder / "third", sequences, 6, "", names);
        const EarlierModel earlier(warm.folder / "snapshot", warm.folder / "third");
        return train(Dataset(warm.folder / "third"), still({{"seed", 2}}), &earlier)
            .served()
            .members()[0]
            .network.item[4]
            .clone();
    };
    const Tensor beside = row_of_new({{0, 1, 2, 3}, {2, 4, 3, 0, 1}});  // the last two are held out
    const Tensor alone = row_of_new({{0, 1, 2, 3}, {5, 4, 0, 1}});
    const Tensor& old = warm.before.served().members()[0].network.item;
    EXPECT_LT(testing::relative_error(beside - alone, (old[2] + old[3]) / 2), 0.01);
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

/// A model of a walk through items 0 to 9, and a table in which only a walk through items 10 to 19 is left.
struct OtherHalf {
    static constexpr std::int32_t kHalf = 10;
    TempFolder folder;
    testing::Names names;
    json base = testing::small_options({{"dim", 16},
                                        {"epochs", 60},
                                        {"max_len", 10},
                                        {"holdout", "keep"},
                                        {"learning_rate", 0.01},
                                        {"batch_tokens", 64},
                                        {"patience", 100}});
    std::optional<Dataset> after;
    std::optional<EarlierModel> earlier;

    OtherHalf() {
        for (std::int32_t i = 0; i < 2 * kHalf; ++i) names.items.push_back("item " + std::to_string(i));
        testing::Names first{{names.items.begin(), names.items.begin() + kHalf}, {}};
        for (int u = 0; u < 60; ++u) {
            first.users.push_back("before " + std::to_string(u));
            names.users.push_back("after " + std::to_string(u));
        }
        testing::write_dataset(folder / "first", circles(0), kHalf, "", first);
        const Dataset data(folder / "first", testing::with_repeats("keep"));
        const Trial before = train(data, base);
        EXPECT_GE(kept(before).first, 9);
        write_model(folder / "model", {kTransformer, before.trained.config, json::object()},
                    *before.trained.served, data, nullptr);
        testing::write_snapshot(SafetensorsFile::open(folder / "model"), first, folder / "snapshot");
        testing::write_dataset(folder / "second", circles(kHalf), 2 * kHalf, "", names);
        earlier.emplace(folder / "snapshot", folder / "second");
        after.emplace(folder / "second", testing::with_repeats("keep"));
        after->know_until(earlier->seen_until);
    }

    static Sequences circles(std::int32_t first) {
        Sequences sequences;
        for (std::int32_t u = 0; u < 60; ++u) {
            sequences.emplace_back();
            for (std::int32_t i = 0; i < 8; ++i) sequences.back().push_back(first + (u + i) % kHalf);
        }
        return sequences;
    }

    /// How many of the ten items are still followed by the next one, and how many of the new ones are.
    static std::pair<int, int> kept(const Trial& trial) {
        const Tensor rows = trial.served().item_rows();
        int found[2] = {0, 0};
        for (std::int32_t i = 0; i < rows.size(0); ++i) {
            const std::int32_t first = i < kHalf ? 0 : kHalf, at = i - first;
            const std::vector<std::int32_t> clicks{first + (at + kHalf - 1) % kHalf, i};
            const Tensor scores = trial.served().encode({clicks}, {-1}).mm(rows.t());
            found[i >= kHalf] += scores.argmax().item<std::int64_t>() == first + (at + 1) % kHalf;
        }
        return {found[0], found[1]};
    }
};

TEST(TransformerModel, AnUpdateOnNewRowsAloneKeepsWhatTheEarlierModelKnew) {
    const OtherHalf half;
    json options = half.base;
    options["epochs"] = 40;
    const Trial rehearsed = train(*half.after, options, &*half.earlier);
    options["distill"] = 0;
    const Trial forgetful = train(*half.after, options, &*half.earlier);
    const auto [old_kept, new_learned] = OtherHalf::kept(rehearsed);
    const auto [old_left, new_alone] = OtherHalf::kept(forgetful);
    EXPECT_GE(old_kept, 9);
    EXPECT_GE(new_learned, 9);
    EXPECT_GE(new_alone, 9);
    EXPECT_LE(old_left, 6);
    EXPECT_EQ(rehearsed.trained.config.at("distill"), 3);
    EXPECT_EQ(forgetful.trained.config.at("distill"), 0);
}

/// Nothing is said again of users who are still there: their rows say it.
TEST(TransformerModel, AGrownTableIsTrainedOnAsBefore) {
    const WarmStart warm({{"a", "b", "c", "d", "new"}, {"u", "v", "w", "other"}});
    const Dataset data(warm.folder / "second");
    const Trial chosen = train(data, still({{"seed", 2}}), &*warm.earlier);
    const Trial none = train(data, still({{"seed", 2}, {"distill", 0}}), &*warm.earlier);
    EXPECT_TRUE(at::equal(chosen.served().item_rows(), none.served().item_rows()));
    EXPECT_EQ(chosen.trained.config.at("distill"), 0);
}

}  // namespace
}  // namespace seqrec::trainer
