// What a model's file says of itself.
#include "core/kinds/model_config.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/kinds/query_columns.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using testing::error_of;

TEST(WholeNumber, IsInItsRange) {
    EXPECT_EQ(whole_number({{"dim", 8}}, "dim", 8), 8);
    for (const json& bad :
         {json(0), json(-1), json(9), json(4294967297), json(1.5), json("8"), json(nullptr)})
        EXPECT_EQ(error_of([&] { whole_number({{"dim", bad}}, "dim", 8); }), sqlstate::kDataCorrupted) << bad;
}

TEST(ReadColumn, NumbersThatDoNotFitAreNotCut) {
    const json whole = describe_column({"age", "number", 0, 2});
    EXPECT_EQ(read_column(whole).count, 2);
    for (const char* name : {"first", "count", "number", "missing", "hashed"})
        for (const json& bad : {json(4294967296), json(-7), json(1e300), json("1")}) {
            json column = whole;
            column[name] = bad;
            EXPECT_EQ(error_of([&] { read_column(column); }), sqlstate::kDataCorrupted) << name << bad;
        }
}

}  // namespace
}  // namespace seqrec
