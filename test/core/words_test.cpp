#include "core/words.hpp"

#include <gtest/gtest.h>

namespace seqrec {
namespace {

using Words = std::vector<std::string>;

TEST(SharedWords, AreThoseOfBothTheLongestFirst) {
    EXPECT_EQ(shared_words("Northfold Tent, 2 person", "tent pegs by NORTHFOLD"),
              (Words{"Northfold", "Tent"}));
    EXPECT_EQ(shared_words("a b c", "a b c"), Words{});
    EXPECT_EQ(shared_words("The lens of the year", "the lens"), Words{"lens"});
    EXPECT_EQ(shared_words("tent", "tentative"), Words{});
    EXPECT_EQ(shared_words("", "tent"), Words{});
}

TEST(SharedWords, AreSplitByPunctuationOfAnyKind) {
    EXPECT_EQ(shared_words("lens/tripod_bag", "bag|lens"), (Words{"lens", "bag"}));
    EXPECT_EQ(shared_words("“Zelt”–Größe", "größe: Größe ‘Zelt’"), (Words{"Größe", "Zelt"}));
    EXPECT_EQ(shared_words("палатка 4", "Большая палатка"), Words{"палатка"});
}

TEST(SharedWords, OfChineseAreRunsOfTwoOrMore) {
    EXPECT_EQ(shared_words("北脊双人帐篷", "四季帐篷地布"), Words{"帐篷"});
    EXPECT_EQ(shared_words("超轻双人帐篷", "双人帐篷 超轻款"), (Words{"双人帐篷", "超轻"}));
    EXPECT_EQ(shared_words("帐篷", "帐和篷"), Words{});
    EXPECT_EQ(shared_words("GORE 帐篷Pro", "帐篷 pro，Gore"), (Words{"GORE", "帐篷", "Pro"}));
    EXPECT_EQ(shared_words("帐篷，帐篷", "帐篷"), Words{"帐篷"});
}

TEST(SharedWords, AreNoMoreThanAskedFor) {
    EXPECT_EQ(shared_words("one two three four five", "five four three two one", 2),
              (Words{"three", "four"}));
    EXPECT_EQ(shared_words("one two", "one two", 0), Words{});
}

TEST(SharedWords, TakeAnyBytes) {
    EXPECT_EQ(shared_words("\xFF\xFEtent\xC3", "\xE5\xB8 tent"), Words{"tent"});
    EXPECT_EQ(shared_words("\xF0\x9F", "\xF0\x9F"), Words{});
    std::string far(100000, 'x');
    far.append(" tent");
    EXPECT_EQ(shared_words(far, "tent"), Words{}) << "beyond what is compared";
}

TEST(Shortened, LeavesWhatFits) {
    EXPECT_EQ(shortened("Northfold Tent"), "Northfold Tent");
    EXPECT_EQ(shortened(""), "");
    EXPECT_EQ(shortened("帐篷", 4), "帐篷");
}

TEST(Shortened, IsOneLine) {
    EXPECT_EQ(shortened("  two\r\n\tlines\x01 \x7F\xE3\x80\x80here "), "two lines here");
    EXPECT_EQ(shortened("\n"), "");
    EXPECT_EQ(shortened("right\u202Eto\u2066 left\u2069\u200B"), "rightto left");
    EXPECT_EQ(shortened("\u202E"), "");
}

TEST(Shortened, EndsAtAWord) {
    EXPECT_EQ(shortened("Northfold Tent, for two", 18), "Northfold Tent…");
    EXPECT_EQ(shortened("Northfold Tent, for two", 18, "..."), "Northfold Tent...");
    EXPECT_EQ(shortened("Northfoldtentfortwo", 10), "Northfold…");
    EXPECT_EQ(shortened("Lens (new) and much more", 12), "Lens (new)…");
}

TEST(Shortened, CutsNoCharacter) {
    EXPECT_EQ(shortened("北脊双人帐篷", 8), "北脊双…");
    EXPECT_EQ(shortened("e\u0301e\u0301e\u0301e\u0301", 3), "e\u0301e\u0301…");
    for (std::size_t most = 0; most < 30; ++most) {
        const std::string cut = shortened("帐篷\xFF Größe 🏕️ x", most);
        EXPECT_LE(cut.size(), 40U);
    }
    EXPECT_LE(shortened(std::string(1000000, 'x')).size(), 90U);
}

}  // namespace
}  // namespace seqrec
