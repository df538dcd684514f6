// Trained networks as rows and queries: lengths, slices, and the way to a file and back.
#include "kinds/transformer/transformer_weights.hpp"

#include <cmath>

#include "kinds/shared/gradients.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using seqrec::testing::error_of;
using seqrec::testing::TempFolder;
using testing::relative_error;

constexpr std::int64_t kWeightItems = 20, kUsers = 4, kWeightDim = 8, kWeightLength = 10;

Members members(std::size_t count) {
    const testing::Shop shop({{0, 1}}, 2);
    const Settings settings(
        testing::small_options(
            {{"dim", kWeightDim}, {"max_len", kWeightLength}, {"layers", 2}, {"heads", 2}}),
        shop.data, nullptr);
    Members all;
    for (std::size_t m = 0; m < count; ++m) {
        Random random(m + 1);
        all.push_back({Transformer(settings, kWeightItems, random),
                       testing::leaf({kUsers, kWeightDim}, static_cast<std::int64_t>(m)).detach()});
    }
    return all;
}

const std::vector<std::vector<std::int32_t>> kHistories{
    {1, 2, 3}, {}, {7}, {}, {5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 7}};
const std::vector<std::int32_t> kAskers{0, 1, -1, -1, 3};

Histories histories() { return {kHistories.begin(), kHistories.end()}; }

TEST(TransformerWeights, RowsHaveUnitLengthInEachSlice) {
    const TransformerWeights weights(members(3));
    const Tensor rows = weights.item_rows();
    EXPECT_EQ(rows.sizes(), (at::IntArrayRef{kWeightItems, 3 * kWeightDim}));
    for (std::int64_t m = 0; m < 3; ++m)
        EXPECT_LT((rows.narrow(1, m * kWeightDim, kWeightDim).norm(2, 1) - 1).abs().max().item<float>(),
                  1e-5f);
}

TEST(TransformerWeights, QueriesHaveUnitLengthInEqualShares) {
    const TransformerWeights weights(members(2));
    const Tensor queries = weights.encode(histories(), kAskers);
    for (std::int64_t q = 0; q < queries.size(0); ++q)
        for (const std::int64_t first : {std::int64_t{0}, kWeightDim})
            EXPECT_NEAR(queries.select(0, q).narrow(0, first, kWeightDim).norm().item<float>(),
                        q == 3 ? 0 : std::sqrt(0.5), 1e-5)  // 3: neither a user nor a click
                << q;
}

TEST(TransformerWeights, AMeanOfCosinesIsWhatTheMembersSay) {
    const Members all = members(2);
    const auto scores = [&](const Members& of) {
        const TransformerWeights weights(of);
        return weights.encode(histories(), kAskers).mm(weights.item_rows().t());
    };
    // slices of length 1 / sqrt(2) times unit rows: sqrt(2) times the mean
    const Tensor mean = (scores({all[0]}) + scores({all[1]})) / 2;
    EXPECT_LT(relative_error(scores(all), mean * std::sqrt(2.0)), 1e-5);
}

TEST(TransformerWeights, WithoutClicksTheUserAnswers) {
    const Members one = members(1);
    const Tensor query = TransformerWeights(one).encode(histories(), kAskers).select(0, 1);
    const Tensor user = one[0].users.select(0, 1);
    EXPECT_LT(relative_error(query, user / user.norm()), 1e-5);
}

TEST(TransformerWeights, OnlyTheLatestClicksCount) {
    const TransformerWeights weights(members(1));
    const std::vector<std::int32_t> all = kHistories[4], last(all.end() - kWeightLength, all.end());
    EXPECT_TRUE(at::equal(weights.encode({all}, {3}), weights.encode({last}, {3})));
}

/// More than are encoded at a time.
TEST(TransformerWeights, AQueryIsTheSameInAnyCompany) {
    const TransformerWeights weights(members(1));
    std::vector<std::vector<std::int32_t>> many;
    std::vector<std::int32_t> askers;
    Random random(2);
    for (int i = 0; i < 900; ++i) {
        many.emplace_back();
        for (auto left = random.below(15); left > 0; --left)
            many.back().push_back(static_cast<std::int32_t>(random.below(kWeightItems)));
        askers.push_back(static_cast<std::int32_t>(random.below(kUsers + 1)) - 1);
    }
    const Tensor together = weights.encode({many.begin(), many.end()}, askers);
    for (const std::size_t i : {0, 1, 400, 899})
        EXPECT_LT(relative_error(together.select(0, static_cast<std::int64_t>(i)),
                                 weights.encode({many[i]}, {askers[i]})[0]),
                  1e-5)
            << i;
}

void write(const std::string& path, const TransformerWeights& weights, std::size_t count,
           const char* without = "") {
    std::vector<NamedTensor> tensors = weights.tensors();
    tensors.push_back({"item.embedding", weights.item_rows()});
    tensors.push_back({"user.embedding", weights.user_rows()});
    std::erase_if(tensors, [&](const NamedTensor& tensor) { return tensor.name == without; });
    const nlohmann::json config = {{"members", count}, {"dim", kWeightDim}, {"layers", 2}};
    write_tensors(path, {{"config", config.dump()}}, tensors);
}

TEST(TransformerWeights, ReadBackTheyAreTheSame) {
    const TempFolder folder;
    for (const std::size_t count : {1, 3}) {
        const TransformerWeights weights(members(count));
        write(folder / "model", weights, count);
        const TransformerWeights read(SafetensorsFile::open(folder / "model"));
        ASSERT_EQ(read.members().size(), count);
        EXPECT_LT(relative_error(read.item_rows(), weights.item_rows()), 1e-6);
        EXPECT_TRUE(at::equal(read.user_rows(), weights.user_rows()));
        EXPECT_LT(relative_error(read.encode(histories(), kAskers), weights.encode(histories(), kAskers)),
                  1e-5);
        for (std::size_t m = 0; m < count; ++m)  // lengths are kept apart from directions
            EXPECT_LT(relative_error(read.members()[m].network.item, weights.members()[m].network.item),
                      1e-6);
    }
}

TEST(TransformerWeights, NobodyHasToHaveAVector) {
    const TempFolder folder;
    Members nobody = members(2);
    for (Member& member : nobody) member.users = at::zeros({kUsers, 0});
    const TransformerWeights weights(std::move(nobody));
    EXPECT_EQ(weights.user_rows().size(0), kUsers) << "the file says how many there are";
    write(folder / "model", weights, 2);
    const TransformerWeights read(SafetensorsFile::open(folder / "model"));
    const Tensor queries = weights.encode(histories(), kAskers);
    EXPECT_LT(
        relative_error(queries, weights.encode(histories(), std::vector<std::int32_t>(kAskers.size(), -1))),
        1e-6);
    EXPECT_LT(relative_error(read.encode(histories(), kAskers), queries), 1e-5);
}

TEST(TransformerWeights, OverOtherItemsWhatNothingIsKnownOfHasNoRow) {
    Members one = members(1);
    one[0].network.projection = testing::leaf({kWeightDim, 3}, 7).detach();
    one[0].own = one[0].network.item.clone();
    one[0].fresh = at::ones({kWeightDim});
    const Tensor content = at::tensor({1.0F, 2.0F, 3.0F, 0.0F, 0.0F, 0.0F}).reshape({2, 3});
    const TransformerWeights over = TransformerWeights(one).over({-1, -1}, content);
    const Tensor described = one[0].fresh + one[0].network.projection.mv(content[0]);
    EXPECT_LT(relative_error(over.members()[0].network.item[0], described), 1e-5);
    EXPECT_EQ(over.members()[0].network.item[1].abs().max().item<float>(), 0);
}

TEST(TransformerWeights, AFileThatLacksOneIsRefused) {
    const TempFolder folder;
    const TransformerWeights weights(members(1));
    for (const char* name : {"click.length", "item.embedding", "user.embedding", "member.0.norm.bias",
                             "member.0.block.1.narrow.weight", "member.0.position.embedding"}) {
        write(folder / "model", weights, 1, name);
        EXPECT_EQ(error_of([&] { TransformerWeights(SafetensorsFile::open(folder / "model")); }), "XX001")
            << name;
    }
}

}  // namespace
}  // namespace seqrec::trainer
