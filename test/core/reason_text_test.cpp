#include "core/reason_text.hpp"

#include <gtest/gtest.h>

namespace seqrec {
namespace {

std::string_view built_in(std::string_view language, ReasonKind kind) {
    return find_template({}, language, kind);
}

TEST(Language, IsTheFirstPartOfALocale) {
    EXPECT_EQ(language_of("zh_CN.UTF-8"), "zh");
    EXPECT_EQ(language_of("zh-Hant-TW"), "zh");
    EXPECT_EQ(language_of("ZH"), "zh");
    EXPECT_EQ(language_of("Chinese (Simplified)_China.936"), "zh");
    EXPECT_EQ(language_of("de_DE@euro"), "de");
    for (const char* none : {"C", "POSIX", "", "C.UTF-8"}) EXPECT_EQ(language_of(none), "en") << none;
}

TEST(Templates, AreThereForEveryKindInBothLanguages) {
    for (int i = 0; i < kReasonKinds; ++i) {
        const auto kind = static_cast<ReasonKind>(i);
        EXPECT_FALSE(built_in("en", kind).empty()) << i;
        EXPECT_NE(built_in("en", kind), built_in("zh", kind)) << i;
    }
    EXPECT_EQ(built_in("en", ReasonKind::Click), "because you viewed {title}");
    EXPECT_EQ(built_in("zh", ReasonKind::Click), "因为您最近浏览了{title}");
}

TEST(Templates, OfAnUnknownLanguageAreEnglish) {
    EXPECT_EQ(built_in("fr", ReasonKind::Popular), "popular right now");
    const ReasonTemplate overrides[] = {{"en", "popular", "hot"}};
    EXPECT_EQ(find_template(overrides, "fr", ReasonKind::Popular), "hot");
    EXPECT_EQ(find_template(overrides, "zh", ReasonKind::Popular), "近期热门");
}

TEST(Templates, OfTheTableComeFirst) {
    const ReasonTemplate overrides[] = {{"fr", "click", "vu : {title}"}, {"en", "user", ""}};
    EXPECT_EQ(find_template(overrides, "fr", ReasonKind::Click), "vu : {title}");
    EXPECT_EQ(find_template(overrides, "fr", ReasonKind::LatestClick), "vu : {title}");
    EXPECT_EQ(find_template(overrides, "en", ReasonKind::User), "");
    EXPECT_EQ(find_template(overrides, "en", ReasonKind::Click), "because you viewed {title}");
}

TEST(Templates, OfTheLatestClickAreThoseOfAClickUnlessGiven) {
    EXPECT_EQ(built_in("en", ReasonKind::LatestClick), built_in("en", ReasonKind::Click));
    const ReasonTemplate overrides[] = {{"en", "latest_click", "you just saw {title}"}};
    EXPECT_EQ(find_template(overrides, "en", ReasonKind::LatestClick), "you just saw {title}");
    EXPECT_EQ(find_template(overrides, "en", ReasonKind::Click), "because you viewed {title}");
}

TEST(Filling, PutsEachNameInItsPlaces) {
    const ReasonNames names{"tent-4", "Northfold Tent", "tent, fold"};
    EXPECT_EQ(fill_template("{title} ({item}): {words}; {title}", names),
              "Northfold Tent (tent-4): tent, fold; Northfold Tent");
    EXPECT_EQ(fill_template("plain", names), "plain");
    EXPECT_EQ(fill_template("", names), "");
}

TEST(Filling, LooksAtNothingTwice) {
    EXPECT_EQ(fill_template("{title}", {"i", "{words}{item}", "w"}), "{words}{item}");
    EXPECT_EQ(fill_template("{{title}}", {"i", "{title}", "w"}), "{{title}}");
    EXPECT_EQ(fill_template("{titel} {TITLE} {", {"i", "t", "w"}), "{titel} {TITLE} {");
    EXPECT_EQ(fill_template("%s {0} $1 {title}", {"i", "'; DROP TABLE x; --", "w"}),
              "%s {0} $1 '; DROP TABLE x; --");
}

TEST(JoinedWords, AreWrittenAsTheLanguageDoes) {
    const std::string words[] = {"a", "b"};
    EXPECT_EQ(joined_words(words, "en"), "a, b");
    EXPECT_EQ(joined_words(words, "zh"), "a、b");
    EXPECT_EQ(joined_words({}, "en"), "");
}

}  // namespace
}  // namespace seqrec
