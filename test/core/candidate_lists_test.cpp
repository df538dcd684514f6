// Lists of candidates that a session keeps.
#include "core/candidate_lists.hpp"

#include <gtest/gtest.h>

#include <string>

namespace seqrec {
namespace {

using List = CandidateLists::List;

List some_list() { return std::make_shared<const Candidates>(); }

TEST(CandidateLists, AreFoundByTheirBytes) {
    CandidateLists lists;
    EXPECT_EQ(lists.find("a"), nullptr);
    const List a = some_list(), b = some_list();
    lists.keep("a", a);
    lists.keep(std::string("b\0x", 3), b);
    EXPECT_EQ(lists.find("a"), a);
    EXPECT_EQ(lists.find(std::string("b\0x", 3)), b);
    EXPECT_EQ(lists.find(std::string("b\0y", 3)), nullptr);
    EXPECT_EQ(lists.find("b"), nullptr);
    EXPECT_EQ(lists.find(""), nullptr);
}

TEST(CandidateLists, ThoseNotUsedForLongestGo) {
    CandidateLists lists;
    const List first = some_list();
    lists.keep("first", first);
    for (std::size_t i = 0; i < 3 * CandidateLists::kMostLists; ++i) {
        lists.keep(std::to_string(i), some_list());
        EXPECT_EQ(lists.find("first"), first) << i;  // which makes it the latest
    }
    for (std::size_t i = 0; i < 3 * CandidateLists::kMostLists; ++i)
        EXPECT_EQ(lists.find(std::to_string(i)) != nullptr, i > 2 * CandidateLists::kMostLists) << i;
    EXPECT_EQ(first.use_count(), 2);
    for (std::size_t i = 0; i < CandidateLists::kMostLists; ++i)
        lists.keep(std::string("x").append(std::to_string(i)), some_list());
    EXPECT_EQ(first.use_count(), 1);
}

TEST(CandidateLists, TakeSoMuchMemory) {
    CandidateLists lists;
    const std::string half(CandidateLists::kMostBytes / 2, 'h'), more(CandidateLists::kMostBytes + 1, 'm');
    lists.keep(half, some_list());
    lists.keep("small", some_list());
    lists.keep(more, some_list());
    EXPECT_EQ(lists.find(more), nullptr);
    EXPECT_NE(lists.find(half), nullptr);
    lists.keep(std::string(half.size(), 'i'), some_list());  // the other half: the small one has no room
    EXPECT_NE(lists.find(half), nullptr);
    EXPECT_EQ(lists.find("small"), nullptr);
}

}  // namespace
}  // namespace seqrec
