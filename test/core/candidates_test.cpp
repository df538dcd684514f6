// Lists of allowed items, looked up.
#include "core/candidates.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "numbered_index.hpp"

namespace seqrec {
namespace {

using testing::NumberedIndex;
using Items = std::vector<std::int32_t>;
using Numbers = std::vector<std::int64_t>;

Candidates of_numbers(const IdIndex& index, const Numbers& numbers) {
    return {index, std::span(numbers), {}};
}

Candidates of_texts(const IdIndex& index, const Numbers& numbers) {
    std::vector<std::string> texts;
    for (const std::int64_t number : numbers) texts.push_back(std::to_string(number));
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return {index, std::span(views), {}};
}

Items candidate_items(const Candidates& candidates) { return candidates.set().sorted(); }

/// Whatever is given, however often and in whichever order: what the index knows of it.
TEST(Candidates, AreTheKnownItemsOfAList) {
    const Numbers given{7, -3, 100, 7, 5000, 20, 99999, 3};
    for (const bool numbers : {false, true}) {
        const NumberedIndex index(1000, 10, numbers);  // ids 10 to 1009
        for (const auto& look_up : {of_numbers, of_texts}) {
            const Candidates candidates = look_up(index.get(), given);
            EXPECT_EQ(candidate_items(candidates), (Items{10, 90})) << numbers;
            EXPECT_EQ(candidates.size(), 2u);
            ASSERT_TRUE(candidates.few());
            EXPECT_TRUE(std::ranges::equal(candidates.items(), Items{10, 90}));
        }
    }
}

TEST(Candidates, ManyAreASetOnly) {
    const NumberedIndex index(1600, 0, true);
    for (const std::int64_t count : {0, 1, 24, 26, 99, 100, 1600}) {
        Numbers given;
        for (std::int64_t i = 0; i < count; ++i) given.push_back(i * 13 % 1600);
        given.insert(given.end(), given.begin(), given.end());
        Items wanted(given.begin(), given.begin() + count);
        std::ranges::sort(wanted);
        const Candidates candidates = of_numbers(index.get(), given);
        EXPECT_EQ(candidates.size(), static_cast<std::size_t>(count));
        EXPECT_EQ(candidates.few(), count < 100);  // a sixteenth
        EXPECT_EQ(candidate_items(candidates), wanted);
        EXPECT_EQ(Items(candidates.items().begin(), candidates.items().end()),
                  count < 100 ? wanted : Items());
    }
}

TEST(Candidates, PollWhileTheyAreLookedUp) {
    const NumberedIndex index(10, 0, true);
    const Numbers given(3 * kPollEvery);
    int polls = 0;
    const Candidates candidates(index.get(), std::span(given), [&] { ++polls; });
    EXPECT_EQ(polls, 3);
}

}  // namespace
}  // namespace seqrec
