// Arrays in PostgreSQL's binary format.
#include "db/arrays.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace seqrec::sidecar {
namespace {

using Strings = std::vector<std::string>;
using Numbers = std::vector<std::optional<std::int32_t>>;

Strings texts_of(std::string_view array) {
    Strings texts;
    for (const auto& text : decode_texts(array)) texts.emplace_back(text.value_or("NULL"));
    return texts;
}

TEST(Arrays, HoldAnyText) {
    const Strings texts = {"a", "", "quo\"te", "{,}", "中文", std::string(512, 'x')};
    EXPECT_EQ(texts_of(encode_array(texts)), texts);
    EXPECT_EQ(encode_array(Strings{}).size(), 12U);
    const std::vector<std::optional<std::string>> some = {"{}", std::nullopt, ""};
    EXPECT_EQ(texts_of(encode_array(some)), (Strings{"{}", "NULL", ""}));
    EXPECT_EQ(texts_of(encode_array(Strings{})), Strings{});
}

TEST(Arrays, AreLaidEndToEnd) {
    std::string array = encode_array(Strings{"a"});
    append_array(array, encode_array(Strings{}));
    append_array(array, encode_array(Strings{"b", "c"}));
    EXPECT_EQ(array, encode_array(Strings{"a", "b", "c"}));
    std::string empty = encode_array(Strings{});
    append_array(empty, encode_array(Strings{"b"}));
    EXPECT_EQ(empty, encode_array(Strings{"b"}));
    std::string numbers = encode_array(Numbers{1});
    append_array(numbers, encode_array(Numbers{std::nullopt}));
    EXPECT_EQ(numbers, encode_array(Numbers{1, std::nullopt}));
}

TEST(Arrays, DecodeNoMoreThanThereIs) {
    const std::string array = encode_array(Strings{"first", "second"});
    for (std::size_t length = 0; length < array.size(); ++length)
        EXPECT_LE(decode_texts(std::string_view(array).substr(0, length)).size(), 1U) << length;
    EXPECT_EQ(decode_reals(encode_array(Numbers{0x3f800000, std::nullopt})), (std::vector<float>{1, 0}));
    EXPECT_EQ(decode_reals(encode_array(Strings{"wrong size"})), (std::vector<float>{0}));
}

/// Dimensions, no NULL, type text, two elements from 1 on, then each with its length: as array_send writes
/// it.
TEST(Arrays, AreThoseOfPostgres) {
    const std::string wanted(
        "\0\0\0\1"
        "\0\0\0\0"
        "\0\0\0\x19"
        "\0\0\0\2"
        "\0\0\0\1"
        "\0\0\0\2ab"
        "\0\0\0\0",
        30);
    EXPECT_EQ(encode_array(Strings{"ab", ""}), wanted);
    const std::string number(
        "\0\0\0\1"
        "\0\0\0\1"
        "\0\0\0\x17"
        "\0\0\0\2"
        "\0\0\0\1"
        "\0\0\0\4\xff\xff\xff\xfe"
        "\xff\xff\xff\xff",
        32);
    EXPECT_EQ(encode_array(Numbers{-2, std::nullopt}), number);
}

TEST(Parameters, AreNullWithoutAValue) {
    EXPECT_EQ(array_parameter(std::nullopt), (Parameter{std::nullopt, true}));
    EXPECT_EQ(array_parameter(Strings{}), (Parameter{encode_array(Strings{}), true}));  // empty is not NULL
    EXPECT_EQ(number_parameter(std::nullopt), Parameter{});
    EXPECT_EQ(number_parameter(-0.1), Parameter{"-0.1"});
    EXPECT_EQ(number_parameter(1e300), Parameter{"1e+300"});
}

}  // namespace
}  // namespace seqrec::sidecar
