// The fallback: what texts share, they are near by; nothing depends on the machine.
#include "text/hashed_text_encoder.hpp"

#include "testing.hpp"

namespace seqrec::trainer {
namespace {

at::Tensor vectors(const std::vector<std::string_view>& texts, int threads = 1) {
    Workers workers(threads);
    return open_text_encoder("")->encode(texts, workers, {});
}

float cosine(std::string_view a, std::string_view b) {
    const at::Tensor both = vectors({a, b});
    return at::dot(both[0], both[1]).item<float>();
}

TEST(HashedTextEncoder, IsTheFallback) {
    const auto encoder = open_text_encoder("");
    EXPECT_TRUE(encoder->is_fallback());
    EXPECT_EQ(encoder->fingerprint(), "hashed/2");
    EXPECT_EQ(encoder->width(), 1024);
}

TEST(HashedTextEncoder, UnitLengthOrZero) {
    const at::Tensor rows = vectors({"Northfold Tent", "帐篷", "", " \t-- !", "7"});
    for (const std::int64_t row : {0, 1, 4}) EXPECT_NEAR(rows[row].norm().item<float>(), 1, 1e-6) << row;
    for (const std::int64_t row : {2, 3}) EXPECT_EQ(rows[row].abs().sum().item<float>(), 0) << row;
}

TEST(HashedTextEncoder, FormsOfTheSameTextAreEqual) {
    EXPECT_NEAR(cosine("Café Noir", "CAFE\u0301  noir!"), 1, 1e-6);
    EXPECT_NEAR(cosine("ＡＢＣ１２", "abc12"), 1, 1e-6);
    EXPECT_NEAR(cosine("hy\u00ADphen", "hyphen"), 1, 1e-6);
    EXPECT_NEAR(cosine("ｶﾀｶﾅ", "カタカナ"), 1, 1e-6);
}

TEST(HashedTextEncoder, SharedWordsAreNear) {
    EXPECT_GT(cosine("Northfold Tent two persons", "Northfold Tent four persons"), 0.5);
    EXPECT_GT(cosine("hiking boots", "hiking boot"), 0.5);  // parts of words
    EXPECT_LT(std::abs(cosine("hiking boots", "silk scarf")), 0.2);
    EXPECT_GT(cosine("Tent for two", "Tent with roof"), cosine("Tent for two", "Lamp with roof"));
}

TEST(HashedTextEncoder, ChineseByItsCharacters) {
    EXPECT_GT(cosine("双人帐篷", "四人帐篷"), 0.3);
    EXPECT_GT(cosine("双人帐篷", "四人帐篷"), cosine("双人帐篷", "丝绸围巾") + 0.3);
    EXPECT_GT(cosine("iPhone手机壳", "手机壳"), 0.4);
}

TEST(HashedTextEncoder, NumbersHaveNoParts) {
    EXPECT_EQ(hashed_tokens("12345").size(), 1U);
    EXPECT_LT(std::abs(cosine("12345", "12346")), 0.6);
    EXPECT_GT(hashed_tokens("ab345").size(), 1U);
}

TEST(HashedTextEncoder, RepeatsCountLess) {
    const auto once = hashed_tokens("9"), thrice = hashed_tokens("9 9 9");
    ASSERT_EQ(once.size(), 1U);
    ASSERT_EQ(thrice.size(), 1U);
    EXPECT_GT(thrice[0].weight, once[0].weight);
    EXPECT_LT(thrice[0].weight, 3 * once[0].weight);
}

TEST(HashedTextEncoder, TheSameOnEveryThreadAndMachine) {
    std::vector<std::string_view> texts(1500, "red shoe");
    texts[1400] = "blue hat";
    EXPECT_TRUE(at::equal(vectors(texts, 3), vectors(texts)));
    // what models of "hashed/2" were trained with
    const auto tokens = hashed_tokens("7");
    ASSERT_EQ(tokens.size(), 1U);
    EXPECT_EQ(tokens[0].hash, 18430698519326882294U);
}

TEST(HashedTextEncoder, AnyBytesWillDo) {
    EXPECT_NEAR(vectors({"\xFF\xC3 tent \xED\xA0\x80"})[0].norm().item<float>(), 1, 1e-6);
    EXPECT_NEAR(vectors({std::string(100000, 'x')})[0].norm().item<float>(), 1, 1e-5);
}

}  // namespace
}  // namespace seqrec::trainer
