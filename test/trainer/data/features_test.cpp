// Columns of a dataset file, and what is no column.
#include "data/features.hpp"

#include "featured_shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::error_of;
using seqrec::testing::TempFolder;
using testing::FeaturedData;
using Type = FeatureColumn::Type;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Three items, two users, four interactions.
FeaturedData content() {
    FeaturedData data{{{0, 1, 2}, {1}}, 3};
    data.item = {{"price", "number", {1.5, testing::kMissing, 3}},
                 {"genres", "category", {}, {{"a", "b"}, {}, {"b"}}}};
    data.user = {{"born", "time", {100, 200}}};
    data.event = {{"place", "category", {}, {{"x"}, {"y"}, {"x"}, {}}}};
    data.labels = {1, 0, NAN, 1};
    data.weights = {1, 0, 2.5, 1};
    return data;
}

class Features : public ::testing::Test {
  protected:
    SafetensorsFile file(const FeaturedData& data) const {
        data.write(folder_ / "dataset");
        return SafetensorsFile::open(folder_ / "dataset");
    }
    std::string error(const FeaturedData& data) const {
        const SafetensorsFile opened = file(data);
        return error_of([&] {
            (void)read_features(opened, Side::Item, 3);
            (void)read_features(opened, Side::User, 2);
            (void)read_features(opened, Side::Event, 4);
            (void)read_labels(opened, 4);
            (void)read_weights(opened, 4);
        });
    }
    std::string damaged(const std::string& name, const at::Tensor& tensor) const {
        FeaturedData data = content();
        data.damage[name] = tensor;
        return error(data);
    }

    TempFolder folder_;
};

std::vector<std::string_view> values_at(const FeatureColumn& column, std::int64_t row) {
    std::vector<std::string_view> values;
    for (const std::int32_t code : column.at(row))
        values.push_back(column.values[static_cast<std::size_t>(code)]);
    return values;
}

TEST_F(Features, OfEveryTypeAreRead) {
    const SafetensorsFile opened = file(content());
    const auto items = read_features(opened, Side::Item, 3), users = read_features(opened, Side::User, 2),
               events = read_features(opened, Side::Event, 4);
    ASSERT_EQ(items.size(), 2u);
    EXPECT_EQ(items[0].name, "price");
    EXPECT_EQ(items[0].type, Type::Number);
    EXPECT_EQ(items[0].rows(), 3);
    EXPECT_EQ(items[0].numbers[2], 3);
    EXPECT_TRUE(std::isnan(items[0].numbers[1]));
    EXPECT_EQ(items[1].type, Type::Category);
    EXPECT_EQ(items[1].rows(), 3);
    EXPECT_EQ(values_at(items[1], 0), (std::vector<std::string_view>{"a", "b"}));
    EXPECT_TRUE(values_at(items[1], 1).empty());
    EXPECT_EQ(values_at(items[1], 2), (std::vector<std::string_view>{"b"}));
    ASSERT_EQ(users.size(), 1u);
    EXPECT_EQ(users[0].type, Type::Time);
    EXPECT_EQ(users[0].numbers[1], 200);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(values_at(events[0], 2), (std::vector<std::string_view>{"x"}));
    EXPECT_TRUE(std::isnan(read_labels(opened, 4)[2]));
    EXPECT_EQ(read_weights(opened, 4)[2], 2.5f);
}

TEST_F(Features, AreNoneWhereTheFileHasNone) {
    testing::write_dataset(folder_ / "plain", {{0, 1, 2}, {1}}, 3);
    const SafetensorsFile plain = SafetensorsFile::open(folder_ / "plain");
    EXPECT_TRUE(read_features(plain, Side::Item, 3).empty());
    EXPECT_TRUE(read_labels(plain, 4).empty());
    EXPECT_TRUE(read_weights(plain, 4).empty());
}

TEST_F(Features, CategoriesOutOfRangeAreDamage) {
    EXPECT_EQ(error(content()), "");
    for (const std::int32_t code : {-1, 2})
        EXPECT_EQ(damaged("item.feature.1.codes", testing::tensor_of<std::int32_t>({0, code, 1}, at::kInt)),
                  "XX001")
            << code;
}

TEST_F(Features, OffsetsThatDoNotFitAreDamage) {
    const std::vector<std::vector<std::int64_t>> wrong = {
        {1, 2, 2, 3}, {0, 2, 2, 2}, {0, 2, 2, 4}, {0, 2, 1, 3}, {0, -1, 2, 3}, {0, 2, 3}, {0, 2, 2, 2, 3}};
    for (const auto& offsets : wrong)
        EXPECT_EQ(damaged("item.feature.1.offsets", testing::tensor_of(offsets, at::kLong)), "XX001");
    for (const auto& offsets :
         std::vector<std::vector<std::int64_t>>{{}, {0, 1}, {0, 2, 1}, {0, 3, 2}, {1, 1, 2}})
        EXPECT_EQ(damaged("item.feature.1.value.offsets", testing::tensor_of(offsets, at::kLong)), "XX001");
}

TEST_F(Features, TensorsOfAnotherLengthOrTypeAreDamage) {
    for (const char* name :
         {"item.feature.0.values", "user.feature.0.values", "event.label", "event.weight"}) {
        EXPECT_EQ(damaged(name, at::ones({9}, at::kDouble)), "XX001") << name;
        EXPECT_EQ(damaged(name, at::ones({9}, at::kFloat)), "XX001") << name;
        EXPECT_EQ(damaged(name, at::ones({4}, at::kInt)), "XX001") << name;
    }
}

TEST_F(Features, MissingTensorsAreDamage) {
    for (const char* name :
         {"item.feature.0.values", "item.feature.1.offsets", "item.feature.1.codes",
          "item.feature.1.value.offsets", "item.feature.1.value.bytes", "event.feature.0.codes"}) {
        FeaturedData data = content();
        data.left_out = {name};
        EXPECT_EQ(error(data), "XX001") << name;
    }
}

TEST_F(Features, BadDescriptionsAreDamage) {
    for (const char* text :
         {"{", "[]", "3", R"({"item": 3})", R"({"item": ["price"]})", R"({"item": [{"name": "price"}]})",
          R"({"item": [{"type": "number"}]})", R"({"item": [{"name": 1, "type": "number"}]})",
          R"({"item": [{"name": "price", "type": "integer"}]})",
          R"({"item": [{"name": "genres", "type": "category"}]})"}) {
        FeaturedData data = content();
        data.metadata = text;
        EXPECT_EQ(error(data), "XX001") << text;
    }
}

TEST_F(Features, WhatIsNoWeightIsDamage) {
    for (const float weight : {NAN, kInfinity, -kInfinity}) {
        FeaturedData data = content();
        data.weights[1] = weight;
        EXPECT_EQ(error(data), "XX001") << weight;
    }
}

}  // namespace
}  // namespace seqrec::trainer
