// Lists of candidates that a session keeps.
#include "core/candidate_lists.hpp"

#include <gtest/gtest.h>

#include <string>

namespace seqrec {
namespace {

using List = CandidateLists::List;

List some_list() { return std::make_shared<const Candidates>(); }

CandidateLists::Given bytes(std::string_view bytes) { return {"v", bytes}; }

TEST(CandidateLists, AreFoundByTheirBytes) {
    CandidateLists lists;
    EXPECT_EQ(lists.find(bytes("a")), nullptr);
    const List a = some_list(), b = some_list();
    const std::string with_zero("b\0x", 3), other("b\0y", 3);
    lists.keep(bytes("a"), a);
    lists.keep(bytes(with_zero), b);
    EXPECT_EQ(lists.find(bytes("a")), a);
    EXPECT_EQ(lists.find(bytes(with_zero)), b);
    EXPECT_EQ(lists.find(bytes(other)), nullptr);
    EXPECT_EQ(lists.find(bytes("b")), nullptr);
    EXPECT_EQ(lists.find(bytes("")), nullptr);
}

TEST(CandidateLists, AreOfOneMapping) {
    CandidateLists lists;
    const List a = some_list(), b = some_list();
    int array = 0;
    lists.keep({"v", "a", &array}, a);
    EXPECT_EQ(lists.find({"w", "a"}), nullptr);
    EXPECT_EQ(lists.find({"w", "a", &array}), nullptr);
    lists.keep({"w", "a", &array}, b);
    EXPECT_EQ(lists.find({"v", "a", &array}), a);
    EXPECT_EQ(lists.find({"w", "a", &array}), b);
    EXPECT_EQ(lists.find({"w", "a"}), b);
}

TEST(CandidateLists, AreFoundByTheirAddressUntilItEnds) {
    CandidateLists lists;
    const List list = some_list();
    int one = 0, two = 0, three = 0;
    lists.keep({"v", "a", &one}, list);
    EXPECT_EQ(lists.find({"v", "whatever is there", &one}), list) << "nothing is compared";
    EXPECT_EQ(lists.find({"v", "b", &two}), nullptr);
    EXPECT_FALSE(lists.knows(&two));
    EXPECT_EQ(lists.find({"v", "a", &two}), list);
    EXPECT_TRUE(lists.knows(&one) && lists.knows(&two) && !lists.knows(&three));
    lists.forget(&one);
    lists.forget(&three);
    EXPECT_FALSE(lists.knows(&one));
    EXPECT_EQ(lists.find({"v", "b", &one}), nullptr);
    EXPECT_EQ(lists.find({"v", "b", &two}), list);
    lists.forget(&two);
    EXPECT_EQ(lists.find(bytes("a")), list) << "the bytes are still known";
}

TEST(CandidateLists, ThoseNotUsedForLongestGo) {
    CandidateLists lists;
    const List first = some_list();
    lists.keep(bytes("first"), first);
    for (std::size_t i = 0; i < 3 * CandidateLists::kMostLists; ++i) {
        lists.keep(bytes(std::to_string(i)), some_list());
        EXPECT_EQ(lists.find(bytes("first")), first) << i;  // which makes it the latest
    }
    for (std::size_t i = 0; i < 3 * CandidateLists::kMostLists; ++i)
        EXPECT_EQ(lists.find(bytes(std::to_string(i))) != nullptr, i > 2 * CandidateLists::kMostLists) << i;
    EXPECT_EQ(first.use_count(), 2);
    for (std::size_t i = 0; i < CandidateLists::kMostLists; ++i)
        lists.keep(bytes(std::string("x").append(std::to_string(i))), some_list());
    EXPECT_EQ(first.use_count(), 1);
}

TEST(CandidateLists, WithAnAddressOutliveTheirBytes) {
    CandidateLists lists;
    const List list = some_list(), large = some_list();
    int array = 0, other = 0;
    const std::string more(CandidateLists::kMostBytes + 1, 'm');
    lists.keep({"v", "a", &array}, list);
    lists.keep({"v", more, &other}, large);
    for (std::size_t i = 0; i < CandidateLists::kMostLists; ++i)
        lists.keep(bytes(std::to_string(i)), some_list());
    EXPECT_EQ(lists.find(bytes("a")), nullptr);
    EXPECT_EQ(lists.find({"v", "a", &array}), list);
    EXPECT_EQ(lists.find({"v", more, &other}), large);
    lists.forget(&array);
    lists.forget(&other);
    EXPECT_EQ(list.use_count() + large.use_count(), 2) << "nothing can find them any more";
}

TEST(CandidateLists, AnAddressKeepsOneMappingsAtATime) {
    CandidateLists lists;
    const List earlier = some_list(), later = some_list();
    int array = 0;
    const std::string large(CandidateLists::kMostBytes + 1, 'm');
    lists.keep({"v", large, &array}, earlier);
    lists.keep({"w", large, &array}, later);
    EXPECT_EQ(lists.find({"v", large, &array}), nullptr);
    EXPECT_EQ(earlier.use_count(), 1);
    EXPECT_EQ(lists.find({"w", large, &array}), later);
}

TEST(CandidateLists, TakeSoMuchMemory) {
    CandidateLists lists;
    const std::string half(CandidateLists::kMostBytes / 2, 'h'), more(CandidateLists::kMostBytes + 1, 'm'),
        other(half.size(), 'i');
    lists.keep(bytes(half), some_list());
    lists.keep(bytes("small"), some_list());
    lists.keep(bytes(more), some_list());
    EXPECT_EQ(lists.find(bytes(more)), nullptr);
    EXPECT_NE(lists.find(bytes(half)), nullptr);
    lists.keep(bytes(other), some_list());  // the other half: the small one has no room
    EXPECT_NE(lists.find(bytes(half)), nullptr);
    EXPECT_EQ(lists.find(bytes("small")), nullptr);
}

}  // namespace
}  // namespace seqrec
