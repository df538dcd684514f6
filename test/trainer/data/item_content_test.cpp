// Rows of content: what each part says, and that a fitted one says the same of other items.
#include "data/item_content.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "featured_shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using testing::FeaturedData;
using testing::kMissing;

struct Read {
    seqrec::testing::TempFolder folder;
    Workers workers{1};
    Reporter reporter;

    ItemContent of(const FeaturedData& data, bool features = true, const json& fitted = nullptr) {
        data.write(folder / "dataset");
        return {SafetensorsFile::open(folder / "dataset"),
                data.items,
                {"", features},
                nullptr,
                fitted,
                workers,
                reporter};
    }
};

FeaturedData priced() {
    FeaturedData data{.sequences = {{0, 1, 2}}, .items = 4};
    data.item = {{"price", "number", {1, 3, kMissing, 5}},
                 {"genre", "category", {}, {{"a"}, {"a", "b"}, {}, {"b"}}}};
    return data;
}

TEST(ItemContent, StandardisesNumbersAndMarksMissingOnes) {
    Read read;
    const ItemContent content = read.of(priced());
    const float* row = content.rows().data_ptr<float>();
    EXPECT_NEAR(row[0], -2 / std::sqrt(8.0 / 3), 1e-6);
    EXPECT_EQ(row[2 * content.width()], 0);
    EXPECT_EQ(row[2 * content.width() + 1], 1);
    EXPECT_EQ(row[3 * content.width() + 1], 0);
}

TEST(ItemContent, GivesEqualCategoriesEqualSketchesOfUnitLength) {
    Read read;
    const ItemContent content = read.of(priced());
    const at::Tensor sketch = content.rows().narrow(1, 2, content.width() - 2);
    EXPECT_NEAR(sketch[0].norm().item<double>(), 1, 1e-6);
    EXPECT_EQ(sketch[2].abs().sum().item<double>(), 0);
    EXPECT_GT(sketch[0].dot(sketch[1]).item<double>(), 0.5);
    EXPECT_LT(sketch[0].dot(sketch[3]).item<double>(), 0.5);
}

TEST(ItemContent, ReadsOtherItemsAsItWasFitted) {
    Read read;
    const ItemContent first = read.of(priced());
    FeaturedData later{.sequences = {}, .items = 1};
    later.item = {{"genre", "category", {}, {{"b"}}}, {"price", "number", {5}}};  // in another order
    const ItemContent second = read.of(later, true, first.config());
    EXPECT_TRUE(second.rows()[0].equal(first.rows()[3]));
    later.item.pop_back();
    EXPECT_THROW(read.of(later, true, first.config()), Error);
}

TEST(ItemContent, TakesVectorsByTheirDirection) {
    Read read;
    FeaturedData data = priced();
    at::Tensor vectors = at::tensor({3.0f, 4.0f, 0.0f, 2.0f, NAN, NAN, 1.0f, 0.0f}).reshape({4, 2});
    data.damage["item.vector"] = vectors;
    const ItemContent content = read.of(data, false);
    EXPECT_EQ(content.width(), 2);
    EXPECT_TRUE(content.rows()[0].allclose(at::tensor({0.6f, 0.8f})));
    EXPECT_EQ(content.rows()[2].abs().sum().item<double>(), 0);
    EXPECT_THROW(read.of(priced(), false, content.config()), Error);  // which has none
}

TEST(ItemContent, IsNothingWhereNothingIsKnown) {
    Read read;
    FeaturedData data{.sequences = {{0, 1}}, .items = 2};
    EXPECT_FALSE(read.of(data).exists());
    EXPECT_FALSE(ItemContent().exists());
}

}  // namespace
}  // namespace seqrec::trainer
