#include "core/files/id_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using testing::TempFolder;

/// Three tensors as a file has them, open to tampering.
struct Parts {
    std::vector<std::int64_t> offsets{0};
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint32_t> table;
    std::vector<std::int32_t> numbers;  // left out when empty
    std::int64_t first_number = 0;
    std::string version = "00000000-0000-4000-8000-000000000000";

    explicit Parts(const std::vector<std::string>& ids) {
        for (const std::string& id : ids) {
            bytes.insert(bytes.end(), id.begin(), id.end());
            offsets.push_back(static_cast<std::int64_t>(bytes.size()));
        }
        table.resize(static_cast<std::size_t>(IdIndex::table_size(static_cast<std::int64_t>(ids.size()))));
    }

    void build() { IdIndex::build(offsets, bytes, table, IdHashKey::of_version(version)); }
};

template <typename T>
void declare(SafetensorsWriter& writer, const char* name, const std::vector<T>& values) {
    writer.declare<T>(name, {static_cast<std::int64_t>(values.size())});
}

template <typename T>
void fill(SafetensorsWriter& writer, const char* name, const std::vector<T>& values) {
    std::copy(values.begin(), values.end(), writer.data<T>(name).begin());
}

class IdIndexTest : public ::testing::Test {
  protected:
    /// The index of a file with these parts.
    const IdIndex& open(const Parts& parts) {
        SafetensorsWriter writer;
        writer.set_metadata("version", parts.version);
        declare(writer, "item.id.offsets", parts.offsets);
        declare(writer, "item.id.bytes", parts.bytes);
        declare(writer, "item.id.hash", parts.table);
        if (!parts.numbers.empty()) {
            declare(writer, "item.id.number", parts.numbers);
            writer.declare<std::int64_t>("item.id.number.first", {1});
        }
        writer.create(folder_ / "index");
        fill(writer, "item.id.offsets", parts.offsets);
        fill(writer, "item.id.bytes", parts.bytes);
        fill(writer, "item.id.hash", parts.table);
        if (!parts.numbers.empty()) {
            fill(writer, "item.id.number", parts.numbers);
            writer.data<std::int64_t>("item.id.number.first")[0] = parts.first_number;
        }
        writer.commit();
        file_ = SafetensorsFile::open(folder_ / "index");
        index_ = IdIndex(file_, "item");
        return index_;
    }

    TempFolder folder_;
    SafetensorsFile file_;
    IdIndex index_;
};

std::vector<std::string> numbered_ids(int n) {
    std::vector<std::string> ids;
    for (int i = 0; i < n; ++i) ids.push_back("sku-" + std::to_string(i));
    return ids;
}

/// Values of CPython's hash() of bytes, which is SipHash-1-3 too, with PYTHONHASHSEED=0 and =1.
TEST(IdHash, IsSipHash13) {
    constexpr IdHashKey seed0{}, seed1{0xaed66ce184be2329, 0xebe9bbf1f1499052};
    EXPECT_EQ(id_hash(seed0, "a"), 0x407448d2b89b1813u);
    EXPECT_EQ(id_hash(seed0, "12345678"), 0x3489982430560a87u);
    EXPECT_EQ(id_hash(seed1, "abc"), 0xbf3a636edf177675u);
    EXPECT_EQ(id_hash(seed1, "sku-000123"), 0xe24ef0044bf9db7cu);
    EXPECT_EQ(id_hash(seed1, std::string(16, 'x')), 0x8a705a6be586e90du);
}

TEST(IdHash, TheKeyComesFromTheVersion) {
    const IdHashKey key = IdHashKey::of_version("v");
    EXPECT_EQ(key.k0, id_hash({0, 0}, "v"));
    EXPECT_EQ(key.k1, id_hash({key.k0, 0}, "v"));
    EXPECT_NE(key.k0, IdHashKey::of_version("w").k0);
}

TEST(IdHash, SpreadsShortIds) {
    std::array<int, 64> buckets{};
    for (int i = 0; i < 64000; ++i) ++buckets[id_hash({}, std::to_string(i)) % 64];
    const auto [least, most] = std::minmax_element(buckets.begin(), buckets.end());
    EXPECT_GT(*least, 850);  // 1000 expected, a standard deviation of 31
    EXPECT_LT(*most, 1150);
}

TEST(IdIndexTable, IsAPowerOfTwoAtMostTwoThirdsFull) {
    EXPECT_EQ(IdIndex::table_size(0), 1);
    for (std::int64_t n = 1; n < 5000; ++n) {
        const std::int64_t slots = IdIndex::table_size(n);
        EXPECT_EQ(slots & (slots - 1), 0);
        EXPECT_LE(3 * n, 2 * slots) << n;
        EXPECT_GT(3 * n + 3, slots / 2 * 2) << n;  // nor larger than it must be
    }
    EXPECT_EQ(IdIndex::table_size(2147483647), std::int64_t{1} << 32);
}

TEST_F(IdIndexTest, FindsEveryIdAndNoOther) {
    Parts parts(numbered_ids(10000));
    parts.build();
    const IdIndex& index = open(parts);
    EXPECT_EQ(index.size(), 10000);
    for (int i = 0; i < 10000; ++i) {
        EXPECT_EQ(index.find("sku-" + std::to_string(i)), i);
        EXPECT_EQ(index.id(i), "sku-" + std::to_string(i));
    }
    for (const char* id : {"", "sku-", "sku-10000", "sku-00", "SKU-1", "sku-1 "})
        EXPECT_EQ(index.find(id), -1) << id;
}

/// The indexes of ids by find_all.
std::vector<std::int32_t> found_together(const IdIndex& index, std::span<const std::string> ids) {
    const std::vector<std::string_view> views(ids.begin(), ids.end());
    std::vector<std::int32_t> found(ids.size(), -7);
    index.find_all(views, found);
    return found;
}

TEST_F(IdIndexTest, FindAllIsFindOfEach) {
    Parts parts(numbered_ids(1000));
    parts.build();
    const IdIndex& index = open(parts);
    std::vector<std::string> ids;
    for (int i = 0; i < 1500; ++i) ids.push_back("sku-" + std::to_string(i * 7 % 1500));
    for (const std::size_t count : {0, 1, 15, 16, 17, 1500}) {
        const std::span<const std::string> some = std::span(ids).first(count);
        std::vector<std::int32_t> alone;
        for (const std::string& id : some) alone.push_back(index.find(id));
        EXPECT_EQ(found_together(index, some), alone) << count;
    }
    EXPECT_EQ(found_together(IdIndex(), std::span(ids).first(3)), std::vector<std::int32_t>(3, -1));
}

TEST(IdNumbers, AreDecimalTextsAsTheyAreWritten) {
    EXPECT_EQ(number_of_id("0"), 0);
    EXPECT_EQ(number_of_id("1234567890"), 1234567890);
    EXPECT_EQ(number_of_id("999999999999999999"), 999999999999999999);
    for (const char* id : {"", "00", "007", "-1", "+1", "1.0", " 1", "1 ", "1a", "a1", "1000000000000000000"})
        EXPECT_FALSE(number_of_id(id)) << id;
}

/// Whatever stands at whichever place.
TEST(IdNumbers, AreReadWholeAndNotFurther) {
    const std::string digits = "918273645546372819";
    for (std::size_t size = 1; size <= digits.size(); ++size) {
        const std::vector<char> alone(digits.begin(), digits.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_EQ(number_of_id({alone.data(), size}), std::stoll(digits.substr(0, size)));
        for (std::size_t at = 0; at < size; ++at)
            for (const char other : {'/', ':', '\0', ' ', '-', 'a', '\xb0', '\xb9', '\xff'}) {
                std::string text = digits.substr(0, size);
                text[at] = other;
                EXPECT_EQ(number_of_id(text), std::nullopt) << text;
            }
    }
    EXPECT_EQ(number_of_id("999999999999999999"), 999'999'999'999'999'999);
    EXPECT_EQ(number_of_id("100000000000000000"), 100'000'000'000'000'000);
    EXPECT_EQ(number_of_id("10000000"), 10'000'000);
    EXPECT_EQ(number_of_id("0"), 0);
}

TEST(IdNumbers, LieBetweenTheLeastAndTheLargestUnlessTooFar) {
    const auto count = [](auto... of) { return IdNumbers::between(of...).count; };
    EXPECT_EQ(count(10, 5, 14), 10);
    EXPECT_EQ(IdNumbers::between(10, 5, 14).first, 5);
    EXPECT_EQ(count(10, 5, 44), 40);
    EXPECT_EQ(count(10, 5, 45), 0);
    EXPECT_EQ(count(1, 7, 7), 1);
    EXPECT_EQ(count(0, 0, 0), 0);
    EXPECT_EQ(count(3, -1, 1), 0);
    EXPECT_EQ(count(2, 0, 999999999999999999), 0);
}

/// Four ids that are numbers, and others that only look like it.
const std::vector<std::string> kMixed{"100", "sku", "103", "0100", "-100", "101", "109", "101.0"};

TEST_F(IdIndexTest, FindsNumbersByTheirValueAndAllElseByItsText) {
    Parts parts(kMixed);
    parts.build();
    parts.numbers.resize(10);
    IdIndex::build_numbers(parts.offsets, parts.bytes, parts.first_number = 100, parts.numbers);
    EXPECT_EQ(parts.numbers, (std::vector<std::int32_t>{0, 5, -1, 2, -1, -1, -1, -1, -1, 6}));
    std::ranges::fill(parts.table, 0);  // would find nothing
    const IdIndex& by_value = open(parts);
    for (const std::int32_t i : {0, 2, 5, 6})
        EXPECT_EQ(by_value.find(kMixed[static_cast<std::size_t>(i)]), i);
    parts.build();
    const IdIndex& index = open(parts);
    for (std::int32_t i = 0; i < 8; ++i) EXPECT_EQ(index.find(kMixed[static_cast<std::size_t>(i)]), i);
    for (const char* id : {"102", "99", "110", "1000000000000000100", "000", ""})
        EXPECT_EQ(index.find(id), -1) << id;
    const std::vector<std::int64_t> numbers{109, 99, 110, 101, INT64_MAX, 102, 100};
    std::vector<std::int32_t> found(numbers.size());
    index.find_all(numbers, found);
    EXPECT_EQ(found, (std::vector<std::int32_t>{6, -1, -1, 5, -1, -1, 0}));
}

/// With a table and without, in long lists and short ones: the number's text decides.
TEST_F(IdIndexTest, ANumberIsItsText) {
    std::vector<std::int64_t> numbers{INT64_MIN, INT64_MAX, -100, 0};
    for (std::int64_t i = 0; i < 300; ++i) numbers.push_back(i);
    for (const bool table : {false, true}) {
        Parts parts(kMixed);
        parts.build();
        if (table) {
            parts.numbers.resize(10);
            IdIndex::build_numbers(parts.offsets, parts.bytes, parts.first_number = 100, parts.numbers);
        }
        const IdIndex& index = open(parts);
        for (const std::size_t count : {std::size_t{1}, std::size_t{3}, std::size_t{67}, numbers.size()}) {
            std::vector<std::int32_t> found(count, -7);
            index.find_all(std::span<const std::int64_t>(numbers).first(count), found);
            for (std::size_t i = 0; i < count; ++i)
                EXPECT_EQ(found[i], index.find(std::to_string(numbers[i]))) << numbers[i] << " " << table;
        }
        EXPECT_EQ(index.find("-100"), 4);
    }
}

/// Which the table beside it never holds.
TEST_F(IdIndexTest, ANumberOfNineteenDigitsIsFoundByItsText) {
    Parts parts({"100", "101", "1700000000000000005", "102"});
    parts.build();
    parts.numbers.resize(3);
    IdIndex::build_numbers(parts.offsets, parts.bytes, parts.first_number = 100, parts.numbers);
    const IdIndex& index = open(parts);
    const std::vector<std::int64_t> numbers{1700000000000000005, 102, 1700000000000000006};
    std::vector<std::int32_t> found(numbers.size());
    index.find_all(numbers, found);
    EXPECT_EQ(found, (std::vector<std::int32_t>{2, 3, -1}));
}

TEST_F(IdIndexTest, DamagedTablesOfNumbersAreRefused) {
    Parts parts(kMixed);
    parts.build();
    for (const std::int32_t wrong : {8, -2, INT32_MAX, INT32_MIN}) {
        parts.numbers.assign(10, wrong);
        parts.first_number = 100;
        const IdIndex& index = open(parts);
        EXPECT_EQ(error_of([&] { index.find("105"); }), sqlstate::kDataCorrupted);
        std::vector<std::int32_t> found(100);
        const std::vector<std::int64_t> numbers(100, 105);
        EXPECT_EQ(error_of([&] { index.find_all(numbers, found); }), sqlstate::kDataCorrupted);
        const std::vector<std::string_view> texts(100, "105");
        EXPECT_EQ(error_of([&] { index.find_all(texts, found); }), sqlstate::kDataCorrupted);
    }
    parts.numbers.assign(9, 0);
    EXPECT_EQ(error_of([&] { IdIndex::build_numbers(parts.offsets, parts.bytes, 100, parts.numbers); }),
              sqlstate::kDataCorrupted);  // 109 is outside
    EXPECT_EQ(error_of([&] { IdIndex::build_numbers(parts.offsets, parts.bytes, 101, parts.numbers); }),
              sqlstate::kDataCorrupted);
}

TEST_F(IdIndexTest, IdsAreBytes) {
    const std::vector<std::string> ids{"",
                                       std::string("\0", 1),
                                       std::string("\0\0", 2),
                                       "é",
                                       "e\xcc\x81",
                                       "商品",
                                       std::string(100000, 'x'),
                                       " ",
                                       "a b"};
    Parts parts(ids);
    parts.build();
    const IdIndex& index = open(parts);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        EXPECT_EQ(index.find(ids[i]), static_cast<std::int32_t>(i));
        EXPECT_EQ(index.id(static_cast<std::int32_t>(i)), ids[i]);
    }
}

TEST_F(IdIndexTest, NoIdsAtAll) {
    Parts parts({});
    parts.build();
    const IdIndex& index = open(parts);
    EXPECT_EQ(index.size(), 0);
    EXPECT_EQ(index.find("a"), -1);
    EXPECT_EQ(IdIndex().find("a"), -1);
}

TEST_F(IdIndexTest, SearchesStayShort) {
    Parts parts(numbered_ids(100000));
    parts.table.resize(1 << 18);
    parts.build();
    std::size_t run = 0, longest = 0;
    for (const std::uint32_t entry : parts.table) longest = std::max(longest, run = entry ? run + 1 : 0);
    EXPECT_LT(longest, 200u);
}

TEST_F(IdIndexTest, TheSameIdsGiveTheSameTable) {
    Parts first(numbered_ids(500)), second(numbered_ids(500));
    first.build();
    std::fill(second.table.begin(), second.table.end(), 77);  // what was in memory before does not matter
    second.build();
    EXPECT_EQ(first.table, second.table);
}

TEST_F(IdIndexTest, BuildRefusesADuplicate) {
    Parts parts({"a", "b", "a"});
    std::string message;
    EXPECT_EQ(error_of([&] { parts.build(); }, &message), sqlstate::kDataCorrupted);
    EXPECT_NE(message.find("duplicate id \"a\""), std::string::npos) << message;
}

TEST_F(IdIndexTest, BuildRefusesATableThatDoesNotFit) {
    for (const std::size_t slots : {0, 1, 2, 3, 5}) {
        Parts parts({"a", "b"});
        parts.table.resize(slots);
        EXPECT_EQ(error_of([&] { parts.build(); }), sqlstate::kDataCorrupted) << slots;
    }
    const std::vector<std::int64_t> none;
    std::vector<std::uint32_t> table(4);
    EXPECT_EQ(error_of([&] { IdIndex::build(none, {}, table); }), sqlstate::kDataCorrupted);
}

TEST_F(IdIndexTest, BuildPolls) {
    Parts parts(numbered_ids(10000));
    int polls = 0;
    IdIndex::build(parts.offsets, parts.bytes, parts.table, {}, [&] { ++polls; });
    EXPECT_EQ(polls, 3);
    const auto stop = [] { throw Error("57014", "canceled"); };
    EXPECT_EQ(error_of([&] { IdIndex::build(parts.offsets, parts.bytes, parts.table, {}, stop); }), "57014");
}

TEST_F(IdIndexTest, OpenRefusesTablesOfAWrongSize) {
    for (const std::size_t slots : {0, 1, 2, 3, 5, 6}) {
        Parts parts({"a", "b"});
        parts.table.resize(slots);
        EXPECT_EQ(error_of([&] { open(parts); }), sqlstate::kDataCorrupted) << slots;
    }
}

TEST_F(IdIndexTest, OpenRefusesMissingOffsetsAndTensors) {
    Parts parts({"a"});
    parts.offsets.clear();
    EXPECT_EQ(error_of([&] { open(parts); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { IdIndex(file_, "user"); }), sqlstate::kDataCorrupted);
}

/// A table without an empty slot, every entry naming the same id: the search for another one must end.
TEST_F(IdIndexTest, AFullTableEndsTheSearch) {
    const auto start = std::chrono::steady_clock::now();
    for (const std::size_t slots : {4, 1 << 16}) {
        Parts parts({"a", "b"});
        parts.table.assign(slots, 1);
        const IdIndex& index = open(parts);
        EXPECT_EQ(index.find("a"), 0);
        for (int i = 0; i < 50; ++i)
            EXPECT_EQ(error_of([&] { index.find("b"); }), sqlstate::kDataCorrupted) << slots;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));  // takes milliseconds
}

TEST_F(IdIndexTest, EntriesThatNameNoIdAreRefused) {
    for (const std::uint32_t entry : {3u, 4u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
        Parts parts({"a", "b"});
        parts.table.assign(4, entry);
        const IdIndex& index = open(parts);
        std::string message;
        EXPECT_EQ(error_of([&] { index.find("a"); }, &message), sqlstate::kDataCorrupted) << entry;
        EXPECT_NE(message.find("not there"), std::string::npos) << message;  // before any offset is read
        const std::string ids[] = {"a", "b"};
        EXPECT_EQ(error_of([&] { found_together(index, ids); }), sqlstate::kDataCorrupted) << entry;
    }
}

TEST_F(IdIndexTest, OffsetsThatLeaveTheBytesAreRefused) {
    constexpr std::int64_t kMin = INT64_MIN, kMax = INT64_MAX;
    for (const std::array<std::int64_t, 2>& bad : {std::array<std::int64_t, 2>{-1, 1},
                                                   {0, 4},
                                                   {2, 1},
                                                   {kMin, kMax},
                                                   {kMax, kMin},
                                                   {kMin, 0},
                                                   {4, 4},
                                                   {0, kMax}}) {
        Parts parts({"abc"});
        parts.table.assign(2, 1);
        parts.offsets = {bad[0], bad[1]};
        const IdIndex& index = open(parts);
        EXPECT_EQ(error_of([&] { index.id(0); }), sqlstate::kDataCorrupted) << bad[0] << " " << bad[1];
        EXPECT_EQ(error_of([&] { index.find("abc"); }), sqlstate::kDataCorrupted) << bad[0] << " " << bad[1];
        const std::string ids[] = {"abc", "abc"};
        EXPECT_EQ(error_of([&] { found_together(index, ids); }), sqlstate::kDataCorrupted) << bad[0];
        EXPECT_EQ(error_of([&] { parts.build(); }), sqlstate::kDataCorrupted) << bad[0] << " " << bad[1];
    }
}

TEST_F(IdIndexTest, AnIndexOutsideIsRefused) {
    Parts parts({"a", "b"});
    parts.build();
    const IdIndex& index = open(parts);
    for (const std::int32_t at : {-1, 2, INT32_MIN, INT32_MAX})
        EXPECT_EQ(error_of([&] { index.id(at); }), sqlstate::kDataCorrupted) << at;
}

}  // namespace
}  // namespace seqrec
