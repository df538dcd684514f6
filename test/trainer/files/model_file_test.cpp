// What a model file says: of whom it is, its form, and what users have seen.
#include "files/model_file.hpp"

#include "core/kinds/transformer.hpp"
#include "few_weights.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::TempFolder;
using testing::FewWeights;

/// Two users of three items; times are 0, 1, 2, …
const testing::Sequences kSequences{{2, 0, 2}, {1}};

struct Written {
    TempFolder folder;
    std::optional<SafetensorsFile> file;

    explicit Written(const char* repeats, const std::string& job = "", const ListIndex* index = nullptr,
                     const Kind& kind = kTransformer) {
        testing::write_dataset(folder / "dataset", kSequences, 3, job);
        const Dataset data(folder / "dataset", testing::with_repeats(repeats));
        const FewWeights weights(at::arange(6, at::kFloat).reshape({3, 2}), at::ones({2, 2}));
        write_model(folder / "model", {kind, {{"dim", 2}}, {{"hr@10", 0.5}}}, weights, data, index);
        file.emplace(SafetensorsFile::open(folder / "model"));
    }
    template <typename T>
    std::vector<T> values(const char* name) const {
        const auto found = file->get<T>(name, file->tensor(name).shape);
        return {found.begin(), found.end()};
    }
};

TEST(ModelFile, SaysWhatItIs) {
    const Written written("first", "00000000-0000-0000-0000-00000000000b");
    const auto& metadata = written.file->metadata();
    EXPECT_EQ(metadata.at("format"), "seqrec-model/2");
    EXPECT_EQ(metadata.at("kind"), "transformer");
    EXPECT_EQ(ScoreForm::parse(metadata.at("score")), kTransformer.form);
    EXPECT_EQ(json::parse(metadata.at("config")), (json{{"dim", 2}}));
    EXPECT_EQ(json::parse(metadata.at("metrics")), (json{{"hr@10", 0.5}}));
    EXPECT_EQ(metadata.at("job"), "00000000-0000-0000-0000-00000000000b");
    EXPECT_FALSE(Written("first").file->metadata().contains("job"));
}

TEST(ModelFile, HoldsRowsUsersAndWhatTheKindAdds) {
    const Written written("first");
    EXPECT_EQ(written.values<float>("item.embedding"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(written.values<float>("user.embedding"), (std::vector<float>{1, 1, 1, 1}));
    EXPECT_EQ(written.values<float>("extra"), (std::vector<float>{5}));
    EXPECT_EQ(written.values<float>("item.popularity").size(), 3U);
    EXPECT_EQ(written.values<double>("user.seen_until"), (std::vector<double>{2, 3}));
}

/// What an update's table no longer tells is not forgotten at once.
TEST(ModelFile, AddsWhatTheDataNoLongerTellOfPopularity) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", kSequences, 3);
    const Dataset data(folder / "dataset", testing::with_repeats("first"));
    const FewWeights weights(at::arange(6, at::kFloat).reshape({3, 2}), at::ones({2, 2}));
    write_model(folder / "model", {kTransformer, json::object(), json::object(), {0.5, 7, 0}}, weights, data,
                nullptr);
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    const auto popularity = file.get<float>("item.popularity", {3});
    const std::vector<float> alone = data.recent_counts();
    EXPECT_EQ(std::vector<float>(popularity.begin(), popularity.end()),
              (std::vector<float>{alone[0] + 0.5F, alone[1] + 7, alone[2]}));
}

/// The latest interaction decides the order where repeats are not kept; else each stands where it happened.
TEST(ModelFile, HoldsWhatUsersHaveSeen) {
    const Written once("first"), each("keep");
    EXPECT_EQ(once.values<std::int64_t>("user.seen.offsets"), (std::vector<std::int64_t>{0, 2, 3}));
    EXPECT_EQ(once.values<std::int32_t>("user.seen.items"), (std::vector<std::int32_t>{0, 2, 1}));
    EXPECT_EQ(each.values<std::int64_t>("user.seen.offsets"), (std::vector<std::int64_t>{0, 3, 4}));
    EXPECT_EQ(each.values<std::int32_t>("user.seen.items"), (std::vector<std::int32_t>{2, 0, 2, 1}));
}

TEST(ModelFile, HoldsTheListsOfAnIndex) {
    const ListIndex index{at::eye(2), {1, 0, 1}};
    const Written with("first", "", &index), without("first");
    EXPECT_EQ(with.values<std::int32_t>("item.list"), (std::vector<std::int32_t>{1, 0, 1}));
    EXPECT_EQ(with.values<float>("list.centroid"), (std::vector<float>{1, 0, 0, 1}));
    EXPECT_FALSE(without.file->contains("item.list") || without.file->contains("list.centroid"));
}

TEST(ModelFile, AKindWritesItsOwnNameAndForm) {
    for (const Kind* kind : kinds()) {
        const Written written("first", "", nullptr, *kind);
        EXPECT_EQ(written.file->meta("kind"), kind->name);
        EXPECT_EQ(ScoreForm::parse(written.file->meta("score")), kind->form);
        EXPECT_EQ(&kind_of(*written.file), kind);
    }
}

}  // namespace
}  // namespace seqrec::trainer
