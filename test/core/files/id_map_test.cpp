#include "core/files/id_map.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "files/sample_ids.hpp"

namespace seqrec {
namespace {

using testing::kHighest;
using testing::kLowest;
using testing::uuid_of;

/// Indexes of many ids, each asked for twice, must be 0, 1, 2, …
template <typename Make>
void expect_order_of_appearance(IdMap& map, int count, Make make) {
    for (int round = 0; round < 2; ++round)
        for (int i = 0; i < count; ++i) ASSERT_EQ(map.index_of(make(i)), i);
    EXPECT_EQ(map.size(), count);
}

TEST(IdText, IsWhatPostgresWrites) {
    EXPECT_EQ(id_text(std::int64_t{0}), "0");
    EXPECT_EQ(id_text(std::int64_t{-32768}), "-32768");
    EXPECT_EQ(id_text(kLowest), "-9223372036854775808");
    EXPECT_EQ(id_text(kHighest), "9223372036854775807");
    EXPECT_EQ(id_text(uuid_of(0, 0)), "00000000-0000-0000-0000-000000000000");
    EXPECT_EQ(id_text(uuid_of(0xfe, 0x0a)), "fe000000-0000-0000-0000-00000000000a");
    EXPECT_EQ(id_text(std::string_view("")), "");
    EXPECT_EQ(id_text(std::string_view("a\0b", 3)), std::string("a\0b", 3));
}

TEST(IdText, KeepsTheOrderOfAUuidsBytes) {
    const Uuid uuid{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf};
    EXPECT_EQ(id_text(uuid), "00010203-0405-0607-0809-0a0b0c0d0e0f");
}

TEST(IdMap, CountsTextsNumbersAndUuidsFromZero) {
    IdMap texts, numbers, uuids;
    std::string text;
    expect_order_of_appearance(texts, 5000, [&](int i) {
        text = "item " + std::to_string(i);
        return Id(std::string_view(text));
    });
    expect_order_of_appearance(numbers, 5000, [](int i) { return Id(std::int64_t{i} * 1024 - 99); });
    expect_order_of_appearance(uuids, 5000, [](int i) {
        return Id(uuid_of(static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)));
    });
    EXPECT_EQ(numbers.id(0), "-99");
}

TEST(IdMap, TakesExtremeAndNegativeNumbers) {
    IdMap map;
    const std::vector<std::int64_t> numbers{0,      -1,    1,           kLowest,   kHighest,
                                            -32768, 32767, -2147483648, 2147483647};
    for (int round = 0; round < 2; ++round)
        for (std::size_t i = 0; i < numbers.size(); ++i)
            EXPECT_EQ(map.index_of(numbers[i]), static_cast<std::int32_t>(i));
    EXPECT_EQ(map.id(3), "-9223372036854775808");
}

TEST(IdMap, TheSameTextIsTheSameId) {
    IdMap map;
    EXPECT_EQ(map.index_of(std::string_view("-5")), 0);
    EXPECT_EQ(map.index_of(std::int64_t{-5}), 0);
    EXPECT_EQ(map.index_of(uuid_of(1, 2)), 1);
    EXPECT_EQ(map.index_of(std::string_view("01000000-0000-0000-0000-000000000002")), 1);
    EXPECT_EQ(map.index_of(std::string_view("05")), 2);
    EXPECT_EQ(map.size(), 3);
}

TEST(IdMap, SearchesMayOverlap) {
    IdMap map;
    std::vector<IdMap::Search> searches;
    for (std::int64_t i = 0; i < 3000; ++i) searches.push_back(map.begin(i % 1500));
    for (std::size_t i = 0; i < searches.size(); ++i)
        ASSERT_EQ(map.finish(searches[i]), static_cast<std::int32_t>(i % 1500));
}

}  // namespace
}  // namespace seqrec
