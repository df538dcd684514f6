// From columns to features.
#include "kinds/shared/columns.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>

#include "core/kinds/logistic.hpp"
#include "featured_shop.hpp"

namespace seqrec::trainer {
namespace {

using Type = FeatureColumn::Type;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A column with what it points to.
class Source {
  public:
    explicit Source(std::vector<double> numbers, Type type = Type::Number)
        : numbers_(std::move(numbers)), column_{"x", type, numbers_} {}
    explicit Source(const std::vector<std::vector<std::string>>& rows) : column_{"x", Type::Category} {
        for (const auto& row : rows) {
            for (const std::string& value : row) {
                const auto [at, fresh] = code_of_.emplace(value, static_cast<std::int32_t>(code_of_.size()));
                if (fresh) column_.values.push_back(at->first);
                codes_.push_back(at->second);
            }
            offsets_.push_back(static_cast<std::int64_t>(codes_.size()));
        }
        column_.offsets = offsets_;
        column_.codes = codes_;
    }
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    const FeatureColumn& column() const { return column_; }

  private:
    std::vector<double> numbers_;
    std::map<std::string, std::int32_t> code_of_;
    std::vector<std::int64_t> offsets_{0};
    std::vector<std::int32_t> codes_;
    FeatureColumn column_;
};

/// What a row has, by name; the number itself is "#".
std::map<std::string, float> features_at(const Column& column, std::int64_t row, double time = 0) {
    std::vector<Entry> entries;
    column.append(row, time, entries);
    std::map<std::string, float> named;
    for (const Entry& entry : entries) {
        EXPECT_GE(entry.feature, 0);
        EXPECT_LT(entry.feature, column.features());
        const std::string name = column.value(entry.feature);
        named[name.empty() ? "#" : name] += entry.x;
    }
    return named;
}

using Named = std::map<std::string, float>;

TEST(NumberColumn, FewNumbersHaveABinEach) {
    const Source source({1, 2.5, 1, 4, 2.5, 1});
    const Column column(source.column(), {}, 0);
    EXPECT_EQ(column.features(), 4);  // three bins and the number
    EXPECT_EQ(column.slots(), 4);
    EXPECT_FALSE(column.is_wide());
    const double mean = 2, deviation = std::sqrt((3 * 1 + 2 * 0.25 + 4) / 6.0);
    for (const auto& [row, name, x] : {std::tuple(0, "1", 1.0), {1, "2.5", 2.5}, {3, "4", 4.0}})
        EXPECT_EQ(features_at(column, row),
                  (Named{{name, 1}, {"#", static_cast<float>((x - mean) / deviation)}}));
}

TEST(NumberColumn, ManyNumbersHaveBinsOfEquallyManyRows) {
    std::vector<double> numbers(1600);
    for (std::size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = std::sqrt(static_cast<double>(i * 7 % 1600));
    const Source source(numbers);
    const Column column(source.column(), {}, 0);
    EXPECT_EQ(column.features(), 17);
    std::map<std::string, int> rows;
    double sum = 0, squares = 0;
    for (std::int64_t row = 0; row < 1600; ++row)
        for (const auto& [name, x] : features_at(column, row)) {
            if (name != "#") ++rows[name];
            if (name == "#") sum += x, squares += x * x;
        }
    EXPECT_EQ(rows.size(), 16u);
    for (const auto& [name, count] : rows) EXPECT_NEAR(count, 100, 2) << name;
    EXPECT_NEAR(sum / 1600, 0, 1e-3);
    EXPECT_NEAR(squares / 1600, 1, 1e-3);
    EXPECT_TRUE(column.value(0).starts_with("below "));
    EXPECT_TRUE(column.value(15).starts_with("from "));
    EXPECT_NE(column.value(7).find(" to "), std::string::npos);
}

TEST(NumberColumn, WhatIsNoNumberIsMissing) {
    const Source source({1, kNan, 2, kInfinity, -kInfinity});
    const Column column(source.column(), {}, 0);
    EXPECT_EQ(column.features(), 4);
    for (const std::int64_t row : {1, 3, 4}) EXPECT_EQ(features_at(column, row), (Named{{"(missing)", 1}}));
    EXPECT_EQ(features_at(column, 0), (Named{{"1", 1}, {"#", -1}}));
    EXPECT_EQ(features_at(column, 2), (Named{{"2", 1}, {"#", 1}}));
}

TEST(NumberColumn, WithoutTwoNumbersThereIsNothing) {
    for (const std::vector<double>& numbers :
         std::vector<std::vector<double>>{{3, 3, 3}, {kNan, kNan}, {kInfinity, kNan}, {}}) {
        const Source source(numbers);
        const Column column(source.column(), {}, 0);
        EXPECT_EQ(column.features(), 0);
        for (std::size_t row = 0; row < numbers.size(); ++row)
            EXPECT_TRUE(features_at(column, static_cast<std::int64_t>(row)).empty());
    }
}

TEST(NumberColumn, WhetherAConstantIsThereSaysSomething) {
    for (const double nothing : {kNan, kInfinity}) {
        const Source source({3, nothing});
        const Column column(source.column(), {}, 0);
        EXPECT_EQ(column.features(), 1);
        EXPECT_TRUE(features_at(column, 0).empty());
        EXPECT_EQ(features_at(column, 1), (Named{{"(missing)", 1}}));
    }
}

/// Their sums and squares are too large for a double.
TEST(NumberColumn, HugeNumbersAreStandardisedToo) {
    const Source source({1e308, 1.5e308, 1e308, 1.5e308, -1.7e308});
    const Column column(source.column(), {}, 0);
    for (std::int64_t row = 0; row < 5; ++row)
        for (const auto& [name, x] : features_at(column, row)) EXPECT_LT(std::abs(x), 3) << name;
    EXPECT_TRUE(std::isfinite(column.described(2).deviation));
}

TEST(NumberColumn, OfNumbersHasTheNumberAndWhetherItIsKnown) {
    const Column column = Column::of_numbers("(popularity)", {0, 2, kNan});
    EXPECT_EQ(column.features(), 2);
    EXPECT_EQ(features_at(column, 1), (Named{{"#", 1}}));
    EXPECT_EQ(features_at(column, 2), (Named{{"(missing)", 1}}));
    for (const std::vector<double>& numbers : {std::vector{2.0, 2.0}, std::vector{kNan, kNan}})
        EXPECT_EQ(Column::of_numbers("(popularity)", numbers).features(), 2) << "its places stay";
}

TEST(CategoryColumn, SeveralValuesShareARow) {
    const Source source({{"a"}, {"a", "b", "c", "d"}, {}, {"b", "a"}});
    const Column column(source.column(), {}, 0);
    EXPECT_EQ(column.features(), 5);
    EXPECT_EQ(column.value(0), "a") << "the most frequent first";
    EXPECT_EQ(features_at(column, 0), (Named{{"a", 1}}));
    EXPECT_EQ(features_at(column, 1), (Named{{"a", 0.5f}, {"b", 0.5f}, {"c", 0.5f}, {"d", 0.5f}}));
    EXPECT_EQ(features_at(column, 2), (Named{{"(missing)", 1}}));
    EXPECT_NEAR(features_at(column, 3)["b"], std::sqrt(0.5), 1e-6);
}

TEST(CategoryColumn, WithoutTwoValuesThereIsNothing) {
    for (const auto& rows :
         std::vector<std::vector<std::vector<std::string>>>{{{"a"}, {"a"}}, {{}, {}}, {}}) {
        const Source source(rows);
        const Column column(source.column(), {}, 0);
        EXPECT_EQ(column.features(), 0);
        for (std::size_t row = 0; row < rows.size(); ++row)
            EXPECT_TRUE(features_at(column, static_cast<std::int64_t>(row)).empty());
    }
    const Source some({{"a"}, {}});
    EXPECT_EQ(Column(some.column(), {}, 0).features(), 2) << "whether it is there says something";
}

/// Value v in v + 1 rows.
std::vector<std::vector<std::string>> values_of_growing_number(int values) {
    std::vector<std::vector<std::string>> rows;
    for (int v = 0; v < values; ++v)
        rows.insert(rows.end(), static_cast<std::size_t>(v) + 1, {testing::numbered("v", v)});
    return rows;
}

TEST(CategoryColumn, SixtyFourFeaturesAreNotWide) {
    const Source source(values_of_growing_number(64));
    const Column column(source.column(), {}, 0);
    EXPECT_FALSE(column.is_wide());
    EXPECT_EQ(column.slots(), 64);
}

TEST(CategoryColumn, BeyondSixtyFourSlotsAreShared) {
    for (const bool missing : {false, true}) {
        auto rows = values_of_growing_number(100);
        if (missing) rows.push_back({});
        const Source source(rows);
        const Column column(source.column(), {}, 0);
        EXPECT_TRUE(column.is_wide());
        EXPECT_EQ(column.features(), missing ? 101 : 100);
        EXPECT_EQ(column.slots(), 64);
        const std::int32_t own = missing ? 62 : 63;
        std::map<std::int32_t, int> features;
        for (std::int32_t f = 0; f < column.features(); ++f) ++features[column.slot(f)];
        EXPECT_EQ(features.size(), 64u);
        EXPECT_EQ(features[own], 100 - own);
        EXPECT_EQ(column.slot_value(0), "v99") << "the most frequent";
        EXPECT_EQ(column.value(99), "v0");
        EXPECT_EQ(column.slot(99), own);
        EXPECT_EQ(column.slot_value(own), "(others)");
        EXPECT_EQ(column.slot_value(63), missing ? "(missing)" : "(others)");
    }
}

TEST(CategoryColumn, BeyondTenThousandValuesShareFeatures) {
    std::vector<std::vector<std::string>> rows;
    for (int v = 0; v < 11000; ++v) rows.push_back({testing::numbered("v", v)});
    rows.push_back({"v10999"});  // the most frequent
    const Source source(rows);
    const Column column(source.column(), {}, 0);
    EXPECT_EQ(column.features(), 10000 + kHashed);
    EXPECT_EQ(column.slots(), kMostSlots);
    EXPECT_EQ(column.value(0), "v10999");
    std::map<std::string, int> shared;
    for (std::int64_t row = 0; row < 11000; ++row) {
        const auto named = features_at(column, row);
        ASSERT_EQ(named.size(), 1u);
        const std::string& name = named.begin()->first;
        if (name.starts_with("(others "))
            ++shared[name];
        else
            EXPECT_EQ(name, testing::numbered("v", row));
    }
    EXPECT_EQ(std::accumulate(shared.begin(), shared.end(), 0,
                              [](int sum, const auto& one) { return sum + one.second; }),
              1000);
    EXPECT_GT(shared.size(), 200u) << "of 256, by chance";
    EXPECT_EQ(column.described(2).hashed, kHashed);
}

TEST(TimeColumn, CountsAgesWhereTheyAreMet) {
    const Source source({100, 200, kNan}, Type::Time);
    const std::vector<Sighting> seen = {{0, 110}, {0, 130}, {1, 210}, {2, 500}};  // ages 10, 30, 10
    const Column column(source.column(), seen, 1000);
    EXPECT_TRUE(column.is_time());
    EXPECT_EQ(column.features(), 4);  // ages 10 and 30, missing, the number
    const double mean = 50.0 / 3, deviation = std::sqrt(800.0 / 9);
    EXPECT_EQ(features_at(column, 0, 110),
              (Named{{"10", 1}, {"#", static_cast<float>((10 - mean) / deviation)}}));
    EXPECT_EQ(features_at(column, 1, 260), (Named{{"30", 1}, {"#", kMostDeviations}}));
    EXPECT_EQ(features_at(column, 2, 260), (Named{{"(missing)", 1}}));
    EXPECT_EQ(column.described(2).now, 1000);
}

/// What the encoder makes of the value of a context must be what the trainer made of the same value in a row.
class Described : public ::testing::Test {
  protected:
    /// The queries have the features of `column` as their numbers: rows of an identity, after the two that
    /// always are there.
    void write(const Column& column) {
        features_ = column.features();
        const std::int64_t dim = features_ + 2;
        at::Tensor rows = at::zeros({features_ + 2, dim}, at::kFloat);
        std::vector<std::int64_t> offsets = {0, 0, 0};
        std::vector<char> bytes;
        for (std::int32_t f = 0; f < features_; ++f) {
            rows.data_ptr<float>()[(f + 2) * dim + f] = 1;
            const std::string value = column.value(f);
            bytes.insert(bytes.end(), value.begin(), value.end());
            offsets.push_back(static_cast<std::int64_t>(bytes.size()));
        }
        const QueryColumn d = column.described(2);
        const nlohmann::json config = {{"columns",
                                        {{{"name", d.name},
                                          {"type", d.type},
                                          {"first", d.first},
                                          {"count", d.count},
                                          {"number", d.number},
                                          {"missing", d.missing},
                                          {"hashed", d.hashed},
                                          {"mean", d.mean},
                                          {"deviation", d.deviation},
                                          {"edges", d.edges},
                                          {"now", d.now}}}},
                                       {"clicks", {{"mean", 0}, {"deviation", 1}}},
                                       {"block", 0}};
        write_tensors(folder_ / "model", {{"config", config.dump()}},
                      {{"item.embedding", at::zeros({1, dim}, at::kFloat)},
                       {"user.embedding", at::zeros({0, dim}, at::kFloat)},
                       {"feature.rows", rows},
                       {"feature.user.offsets", at::zeros({1}, at::kLong)},
                       {"feature.user.rows", at::zeros({0}, at::kInt)},
                       {"feature.user.values", at::zeros({0}, at::kFloat)},
                       {"feature.value.offsets", testing::tensor_of(offsets, at::kLong)},
                       {"feature.value.bytes", testing::tensor_of(bytes, at::kByte)},
                       {"affinity", at::zeros({2, 0}, at::kFloat)}});
        file_.emplace(SafetensorsFile::open(folder_ / "model"));
        encoder_.emplace(*file_);
    }
    void expect_same(const Column& column, std::int64_t row, double time, const nlohmann::json& value) {
        const nlohmann::json context = {{"x", value}};
        EXPECT_TRUE(encoder_->unknown_context(context).empty()) << value;
        std::vector<float> query(static_cast<std::size_t>(features_) + 2), expected(query.size());
        encoder_->encode({{}, -1, &context}, query, Precision::Fast);
        std::vector<Entry> entries;
        column.append(row, time, entries);
        for (const Entry& entry : entries) expected[static_cast<std::size_t>(entry.feature)] += entry.x;
        expected.back() = 1;  // meets the items' biases
        for (std::size_t f = 0; f < query.size(); ++f) EXPECT_NEAR(query[f], expected[f], 1e-6) << value << f;
    }

    seqrec::testing::TempFolder folder_;
    std::optional<SafetensorsFile> file_;
    std::optional<LogisticEncoder> encoder_;
    std::int32_t features_ = 0;
};

TEST_F(Described, NumbersAreTheSameToTheEncoder) {
    std::vector<double> many(100);
    for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<double>(i * i % 101);
    for (const std::vector<double>& numbers : {std::vector<double>{1, 2, 2, 7.25, kNan}, many}) {
        const Source source(numbers);
        const Column column(source.column(), {}, 0);
        write(column);
        for (std::size_t row = 0; row < numbers.size(); ++row)
            expect_same(column, static_cast<std::int64_t>(row), 0,
                        std::isnan(numbers[row]) ? nlohmann::json() : nlohmann::json(numbers[row]));
    }
}

TEST_F(Described, CategoriesAreTheSameToTheEncoder) {
    std::vector<std::vector<std::string>> rows = {{"a"}, {"a", "b"}, {}, {"c", "b", "a"}};
    for (int v = 0; v < 10300; ++v) {
        if (v == 100 || v == 10299) {
            const Source source(rows);
            const Column column(source.column(), {}, 0);
            write(column);
            for (std::size_t row = 0; row < rows.size(); row += row < 10 ? 1 : 97)
                expect_same(column, static_cast<std::int64_t>(row), 0,
                            rows[row].empty() ? nlohmann::json() : nlohmann::json(rows[row]));
        }
        rows.push_back({testing::numbered("v", v)});
    }
}

TEST_F(Described, TimesAreTheSameToTheEncoderNow) {
    const Source source({100, 200, kNan}, Type::Time);
    const std::vector<Sighting> seen = {{0, 110}, {0, 130}, {1, 210}, {2, 500}};
    const Column column(source.column(), seen, 220);
    write(column);
    expect_same(column, 0, 220, 100);
    expect_same(column, 1, 220, 200);
    expect_same(column, 2, 220, nullptr);
}

}  // namespace
}  // namespace seqrec::trainer
