// The form of scores, as files say it.
#include "core/kinds/score_form.hpp"

#include <gtest/gtest.h>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;

TEST(ScoreForm, ReadsBackAsItWasWritten) {
    for (const Link link : {Link::Cosine, Link::Dot, Link::Sigmoid})
        for (const bool item_bias : {false, true})
            for (const bool user_offset : {false, true}) {
                if (link == Link::Cosine && item_bias) continue;
                const ScoreForm form{link, item_bias, user_offset};
                EXPECT_EQ(ScoreForm::parse(form.to_json()), form) << form.to_json();
            }
}

TEST(ScoreForm, IsWrittenInWords) {
    EXPECT_EQ(ScoreForm().to_json(), R"({"item_bias":false,"link":"cosine","user_offset":false})");
    EXPECT_EQ((ScoreForm{Link::Sigmoid, true, true}).to_json(),
              R"({"item_bias":true,"link":"sigmoid","user_offset":true})");
}

TEST(ScoreForm, WhatIsLeftOutIsNotThere) {
    EXPECT_EQ(ScoreForm::parse(R"({"link": "dot"})"), (ScoreForm{Link::Dot, false, false}));
}

/// Files of a later version may say more than this build knows: they are refused, never half understood.
TEST(ScoreForm, WhatIsNotKnownIsRefused) {
    for (const char* json :
         {"", "{", "[]", "1", "{}", R"({"link": "euclid"})", R"({"link": "Dot"})", R"({"link": 1})",
          R"({"link": "dot", "scale": 2})", R"({"link": "dot", "item_bias": 1})",
          R"({"link": "cosine", "item_bias": true})"}) {
        std::string message;
        EXPECT_EQ(error_of([&] { ScoreForm::parse(json); }, &message), sqlstate::kDataCorrupted) << json;
        EXPECT_NE(message.find("another version"), std::string::npos) << message;
    }
}

}  // namespace
}  // namespace seqrec
