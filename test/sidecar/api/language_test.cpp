#include "api/language.hpp"

#include <gtest/gtest.h>

namespace seqrec::sidecar {
namespace {

TEST(LanguageTag, IsLettersThenParts) {
    for (const char* tag : {"en", "zh", "zh-CN", "zh-Hans-CN", "en_GB", "de-1996", "tlh"})
        EXPECT_TRUE(is_language_tag(tag)) << tag;
    for (const char* text :
         {"", "e", "*", "zh-", "-zh", "zh--CN", "zh CN", "z1", "zh_CN.UTF-8", "englishes1", "en-aaaaaaaaa",
          "en'; --", "\xE4\xB8\xAD\xE6\x96\x87", "en-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa"})
        EXPECT_FALSE(is_language_tag(text)) << text;
}

TEST(PreferredLanguage, IsWhatIsWantedMost) {
    EXPECT_EQ(preferred_language("zh-CN,zh;q=0.9,en;q=0.8"), "zh-CN");
    EXPECT_EQ(preferred_language("en;q=0.5, zh;q=0.7"), "zh");
    EXPECT_EQ(preferred_language("EN-us"), "EN-us");
    EXPECT_EQ(preferred_language(" zh ; q=0.3 , de"), "zh") << "one that is always there, before any other";
    EXPECT_EQ(preferred_language("fr;q=0.5,de"), "de");
}

TEST(PreferredLanguage, PassesOverWhatIsNone) {
    for (const char* header : {"", "*", ",,,", ";q=1", "en;q=0", "en;q=x", "en;q=7", "en;v=1", "x"})
        EXPECT_EQ(preferred_language(header), "") << header;
    EXPECT_EQ(preferred_language("*, ;;, zh;q=0.1"), "zh");
}

}  // namespace
}  // namespace seqrec::sidecar
