// The table of coefficients.
#include "kinds/logistic/coefficients.hpp"

#include <cmath>
#include <map>
#include <set>

#include "rich_design.hpp"

namespace seqrec::trainer {
namespace {

using testing::Rich;
using testing::Wanted;

struct Row {
    std::string feature, value;
    float weight, error;
    std::int64_t rows;
};

struct Table {
    std::vector<Row> rows;
    std::size_t left_out = 0;

    Table(const Rich& rich, const std::vector<float>& counts) {
        const std::vector<float> at = rich.coefficients();
        std::vector<float> errors(at.size());
        for (std::size_t i = 0; i < errors.size(); ++i) errors[i] = 1 + static_cast<float>(i);
        std::map<std::string, at::Tensor> tensors;
        for (const auto& [name, tensor] :
             coefficient_table(rich.shop.data, rich.design, at, errors, counts, &left_out))
            tensors[name] = tensor;
        const at::Tensor weight = tensors.at("coefficient.weight");
        for (std::int64_t i = 0; i < weight.numel(); ++i)
            rows.push_back({text(tensors, "coefficient.feature", i), text(tensors, "coefficient.value", i),
                            weight.data_ptr<float>()[i], tensors.at("coefficient.error").data_ptr<float>()[i],
                            tensors.at("coefficient.rows").data_ptr<std::int64_t>()[i]});
    }

    const Row& row(const std::string& feature, const std::string& value) const {
        for (const Row& row : rows)
            if (row.feature == feature && row.value == value) return row;
        ADD_FAILURE() << feature << ", " << value;
        return rows.front();
    }
    bool has(const std::string& feature, const std::string& value) const {
        for (const Row& row : rows)
            if (row.feature == feature && row.value == value) return true;
        return false;
    }

  private:
    static std::string text(const std::map<std::string, at::Tensor>& tensors, const std::string& at,
                            std::int64_t i) {
        const std::int64_t* offsets = tensors.at(at + ".offsets").data_ptr<std::int64_t>();
        return {static_cast<const char*>(tensors.at(at + ".bytes").data_ptr()) + offsets[i],
                static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
    }
};

TEST(CoefficientTable, NamesEverythingThatPairsHave) {
    const Rich rich(Wanted{});
    const std::vector<float> counts = rich.passes.counts({Of::All});
    const Table table(rich, counts);
    EXPECT_EQ(table.left_out, 0u);
    EXPECT_EQ(static_cast<std::ptrdiff_t>(table.rows.size()),
              std::ranges::count_if(counts, [](float count) { return count > 0; }));
    const auto pairs = static_cast<std::int64_t>(rich.passes.outcomes({Of::All}, rich.coefficients()).size());
    EXPECT_EQ(table.row("(intercept)", "").rows, pairs);
    EXPECT_EQ(table.row("gender", "f").rows + table.row("gender", "m").rows, pairs);
    std::size_t row = 0;  // of a pair
    while (std::isnan(rich.content.labels[row]) || !(rich.content.weights[row] > 0)) ++row;
    const std::int64_t item = rich.shop.data.sequence(4).front();
    for (const auto& [feature, value] : std::vector<std::pair<const char*, std::string>>{
             {"(clicks)", ""},
             {"age", "(number)"},
             {"age", "(missing)"},
             {"age", "10"},
             {"genres", "a"},
             {"genres", "(missing)"},
             {"gender * genres", "f * b"},
             {"gender * price", "f * (number)"},
             {"age * price", "(number) * (number)"},
             {"age * price", "10 * (number)"},
             {"(clicks) * genres", "c"},
             {"user_id", "user-4"},
             {"user_id * genres", "user-4 * a"},
             {"item_id", testing::numbered("item-", item)},
             {"clicked genres", "b"},
             {"just clicked genres", "b"},
             {"maker (each)", testing::numbered("m", item)},
             {"word (each)", rich.content.event[1].values[row][0]},
             {"place", "(missing)"},
             {"(popularity)", "(number)"},
             {"maker", "(others)"}})
        EXPECT_TRUE(table.has(feature, value)) << feature << ", " << value;
    EXPECT_FALSE(table.has("gender", ""));
}

TEST(CoefficientTable, NoTwoAreCalledTheSame) {
    const Rich rich(Wanted{});
    std::set<std::pair<std::string, std::string>> names;
    for (const Row& row : Table(rich, rich.passes.counts({Of::All})).rows)
        EXPECT_TRUE(names.emplace(row.feature, row.value).second) << row.feature << ", " << row.value;
}

TEST(CoefficientTable, HasTheNumbersOfEach) {
    const Rich rich(Wanted{});
    const std::vector<float> at = rich.coefficients(), counts = rich.passes.counts({Of::All});
    const Table table(rich, counts);
    const auto user = static_cast<std::size_t>(rich.design.layout().user_rows() +
                                               5 * rich.design.layout().width() - 1);  // the last of user 4
    const Row& row = table.row("user_id", "user-4");
    EXPECT_EQ(row.weight, at[user]);
    EXPECT_EQ(row.error, static_cast<float>(user + 1));
    EXPECT_EQ(row.rows, static_cast<std::int64_t>(counts[user]));
}

TEST(CoefficientTable, WhatIsOffOrNeverSeenIsNotThere) {
    const Rich rich(Wanted{}, {{"crosses", "none"}});
    std::vector<float> counts(rich.design.group_of().size(), 1);
    for (const Row& row : Table(rich, counts).rows) ASSERT_EQ(row.feature.find('*'), std::string::npos);
    std::ranges::fill(counts, 0);
    counts.back() = 3;
    EXPECT_EQ(Table(rich, counts).rows.size(), 1u);
}

TEST(CoefficientTable, HasAHundredThousandThatMostPairsHave) {
    const Rich rich(Wanted{.users = 1200});
    std::vector<float> counts(rich.design.group_of().size());
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = static_cast<float>(1 + i * 7919 % 1000003);
    std::vector<float> sorted;
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (rich.design.group_of()[i] != Design::kOff) sorted.push_back(counts[i]);
    ASSERT_GT(sorted.size(), 110000u);
    std::ranges::sort(sorted, std::greater<>());
    const Table table(rich, counts);
    EXPECT_EQ(table.rows.size(), 100000u);
    EXPECT_EQ(table.left_out, sorted.size() - 100000);
    float least = sorted.front();
    for (const Row& row : table.rows) least = std::min(least, static_cast<float>(row.rows));
    EXPECT_EQ(least, sorted[99999]);
}

}  // namespace
}  // namespace seqrec::trainer
