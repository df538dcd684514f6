#include "core/files/feature_columns.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::TempFolder;
using Row = std::vector<std::string>;
using Views = std::vector<std::string_view>;

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

void put(FeatureColumn& column, const Views& values) { column.put(std::span(values)); }

/// What is read again: each row's categories.
std::vector<Row> rows_of(const SafetensorsFile& file, const std::string& prefix) {
    const auto offsets = file.get<std::int64_t>(prefix + ".offsets", {-1});
    const auto codes = file.get<std::int32_t>(prefix + ".codes", {-1});
    const auto starts = file.get<std::int64_t>(prefix + ".value.offsets", {-1});
    const auto bytes = file.get<std::uint8_t>(prefix + ".value.bytes", {-1});
    std::vector<Row> rows;
    for (std::size_t r = 0; r + 1 < offsets.size(); ++r) {
        rows.emplace_back();
        for (auto i = offsets[r]; i < offsets[r + 1]; ++i) {
            const auto code = static_cast<std::size_t>(codes[static_cast<std::size_t>(i)]);
            rows.back().emplace_back(bytes.begin() + starts[code], bytes.begin() + starts[code + 1]);
        }
    }
    return rows;
}

/// Writes one column as the only thing of a file.
SafetensorsFile written(FeatureColumn& column, std::int64_t rows, const std::vector<std::int32_t>* places,
                        const std::string& path) {
    SafetensorsWriter writer;
    column.declare(writer, "c", rows);
    writer.create(path);
    column.write(writer, "c", places);
    writer.commit();
    return SafetensorsFile::open(path);
}

void expect_categories(const std::string& spool_folder) {
    TempFolder folder;
    FeatureColumn column({"genres", FeatureType::Category}, spool_folder);
    put(column, {"drama", "comedy", "drama"});
    put(column, {});
    put(column, {"comedy", ""});
    const SafetensorsFile file = written(column, 3, nullptr, folder / "file");
    EXPECT_EQ(rows_of(file, "c"), (std::vector<Row>{{"drama", "comedy"}, {}, {"comedy", ""}}));
    const auto codes = file.get<std::int32_t>("c.codes", {4});
    EXPECT_EQ(std::vector<std::int32_t>(codes.begin(), codes.end()), (std::vector<std::int32_t>{0, 1, 1, 2}));
}

TEST(FeatureColumn, KeepsEachCategoryOfARowOnce) {
    TempFolder folder;
    expect_categories("");
    expect_categories(folder / "");
}

TEST(FeatureColumn, IsWrittenInTheOrderOfPlaces) {
    TempFolder folder;
    const std::vector<std::int32_t> places{-1, 2, 0, -1, 1};
    FeatureColumn categories({"genres", FeatureType::Category}, "");
    put(categories, {"a"});
    put(categories, {"b", "c"});
    put(categories, {"c", "a"});
    EXPECT_EQ(rows_of(written(categories, 5, &places, folder / "categories"), "c"),
              (std::vector<Row>{{}, {"c", "a"}, {"a"}, {}, {"b", "c"}}));

    FeatureColumn numbers({"price", FeatureType::Number}, "");
    for (const double number : {1.5, kMissing, -3.0}) numbers.put(number);
    const SafetensorsFile file = written(numbers, 5, &places, folder / "numbers");
    const auto values = file.get<double>("c.values", {5});
    EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[3]) && std::isnan(values[4]));
    EXPECT_EQ(values[1], -3.0);
    EXPECT_EQ(values[2], 1.5);
}

TEST(FeatureColumn, MayBeEmpty) {
    TempFolder folder;
    FeatureColumn categories({"genres", FeatureType::Category}, ""), times({"at", FeatureType::Time}, "");
    EXPECT_TRUE(rows_of(written(categories, 0, nullptr, folder / "categories"), "c").empty());
    EXPECT_TRUE(written(times, 0, nullptr, folder / "times").get<double>("c.values", {0}).empty());
}

TEST(FeatureColumn, DescribesItself) {
    EXPECT_EQ(to_json({"at", FeatureType::Time}), (nlohmann::json{{"name", "at"}, {"type", "time"}}));
    EXPECT_EQ(to_json({"n", FeatureType::Number}).at("type"), "number");
    EXPECT_EQ(to_json({"c", FeatureType::Category}).at("type"), "category");
}

TEST(FeatureTable, TakesOneRowAnIndex) {
    FeatureTable table({{"price", FeatureType::Number}});
    EXPECT_TRUE(table.begin_row(3));
    table.columns()[0].put(1);
    EXPECT_FALSE(table.begin_row(3));
    EXPECT_TRUE(table.begin_row(0));
    table.columns()[0].put(2);
    EXPECT_EQ(table.rows(), 2);
}

}  // namespace
}  // namespace seqrec
