#include "core/coefficients.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using testing::TempFolder;

/// A file of three coefficients: a bias without a value, one of a category, one without an error.
struct Written {
    std::vector<std::int64_t> feature_offsets = {0, 4, 10, 15}, value_offsets = {0, 0, 4, 10},
                              rows = {1, 2, 3};
    std::string feature_bytes = "biasdeviceprice", value_bytes = "tent帐篷";
    std::vector<float> weight = {-1.5f, 0.25f, 2}, error = {0.5f, 0.125f, std::nanf("")};

    template <typename T, typename From>
    static void fill(SafetensorsWriter& writer, const char* name, const From& from) {
        const auto to = writer.data<T>(name);
        std::copy(from.begin(), from.end(), to.begin());
    }
    template <typename List>
    static std::int64_t length(const List& list) {
        return static_cast<std::int64_t>(list.size());
    }

    void write(const std::string& path) const {
        SafetensorsWriter writer;
        writer.declare<std::int64_t>("coefficient.feature.offsets", {length(feature_offsets)});
        writer.declare<std::uint8_t>("coefficient.feature.bytes", {length(feature_bytes)});
        writer.declare<std::int64_t>("coefficient.value.offsets", {length(value_offsets)});
        writer.declare<std::uint8_t>("coefficient.value.bytes", {length(value_bytes)});
        writer.declare<float>("coefficient.weight", {length(weight)});
        writer.declare<float>("coefficient.error", {length(error)});
        writer.declare<std::int64_t>("coefficient.rows", {length(rows)});
        writer.create(path);
        fill<std::int64_t>(writer, "coefficient.feature.offsets", feature_offsets);
        fill<std::uint8_t>(writer, "coefficient.feature.bytes", feature_bytes);
        fill<std::int64_t>(writer, "coefficient.value.offsets", value_offsets);
        fill<std::uint8_t>(writer, "coefficient.value.bytes", value_bytes);
        fill<float>(writer, "coefficient.weight", weight);
        fill<float>(writer, "coefficient.error", error);
        fill<std::int64_t>(writer, "coefficient.rows", rows);
        writer.commit();
    }
};

class CoefficientsTest : public ::testing::Test {
  protected:
    /// Reads all of what was written; the SQLSTATE of what is wrong with it.
    std::string error() {
        written_.write(path_);
        return error_of([&] {
            const SafetensorsFile file = SafetensorsFile::open(path_);
            const auto found = Coefficients::of(file);
            for (std::int64_t i = 0; i < found->size(); ++i) found->at(i);
        });
    }

    TempFolder folder_;
    const std::string path_ = folder_ / "model";
    Written written_;
};

TEST_F(CoefficientsTest, AreReadAsTheyWereWritten) {
    written_.write(path_);
    const SafetensorsFile file = SafetensorsFile::open(path_);
    const auto found = Coefficients::of(file);
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 3);
    EXPECT_EQ(found->at(0).feature, "bias");
    EXPECT_EQ(found->at(0).value, "");
    EXPECT_EQ(found->at(0).weight, -1.5f);
    EXPECT_EQ(found->at(1).feature, "device");
    EXPECT_EQ(found->at(1).value, "tent");
    EXPECT_EQ(found->at(1).error, 0.125f);
    EXPECT_EQ(found->at(2).value, "帐篷");
    EXPECT_EQ(found->at(2).rows, 3);
    EXPECT_TRUE(std::isnan(found->at(2).error));
}

TEST_F(CoefficientsTest, AModelMayHaveNone) {
    SafetensorsWriter writer;
    writer.declare<float>("weight", {1});
    writer.create(path_);
    writer.commit();
    EXPECT_FALSE(Coefficients::of(SafetensorsFile::open(path_)));
}

TEST_F(CoefficientsTest, DamageIsAnError) {
    EXPECT_EQ(error(), "");
    constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();
    for (const std::vector<std::int64_t>& offsets : {std::vector<std::int64_t>{0, 4, 10, 16},
                                                     {0, 4, 10, kFar},
                                                     {-1, 4, 10, 15},
                                                     {0, 10, 4, 15},
                                                     {0, 4, 10}}) {
        written_ = {};
        written_.feature_offsets = offsets;
        EXPECT_EQ(error(), sqlstate::kDataCorrupted);
        written_ = {};
        written_.value_offsets = offsets;
        EXPECT_EQ(error(), sqlstate::kDataCorrupted);
    }
    written_ = {};
    written_.error.pop_back();
    EXPECT_EQ(error(), sqlstate::kDataCorrupted);
    written_ = {};
    written_.rows.push_back(4);
    EXPECT_EQ(error(), sqlstate::kDataCorrupted);
}

}  // namespace
}  // namespace seqrec
