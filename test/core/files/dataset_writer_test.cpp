#include "core/files/dataset_writer.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <limits>
#include <string>
#include <vector>

#include "testing.hpp"

namespace {
int syncs = 0;
}

/// Stands before the C library's, to see what is synced.
extern "C" int fsync(int descriptor) {
    ++syncs;
    return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace seqrec {
namespace {

using testing::error_of;
using testing::TempFolder;

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

Uuid uuid_of(std::uint8_t first, std::uint8_t last) {
    Uuid uuid{};
    uuid.front() = first;
    uuid.back() = last;
    return uuid;
}

/// The ids of a dataset file, by index.
std::vector<std::string> ids(const SafetensorsFile& file, const std::string& prefix) {
    const auto offsets = file.get<std::int64_t>(prefix + ".id.offsets", {-1});
    const auto bytes = file.get<std::uint8_t>(prefix + ".id.bytes", {-1});
    std::vector<std::string> result;
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i)
        result.emplace_back(bytes.begin() + offsets[i], bytes.begin() + offsets[i + 1]);
    return result;
}

template <typename T>
std::vector<T> values(const SafetensorsFile& file, const char* name) {
    const auto tensor = file.get<T>(name, {-1});
    return {tensor.begin(), tensor.end()};
}

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

TEST(SpoolColumn, GivesBackSmallValuesAndLargeBlocks) {
    TempFolder folder;
    SpoolColumn column(folder / "");
    std::string expected;
    for (int round = 0; round < 3; ++round) {
        const std::string block(100000, static_cast<char>('a' + round));
        for (int i = 0; i < 20000; ++i) {
            column.put(static_cast<char>(i));
            expected += static_cast<char>(i);
        }
        column.append(block.data(), block.size());
        expected += block;
    }
    ASSERT_EQ(column.size(), expected.size());
    std::string read(expected.size(), '\0');
    column.copy_to(std::as_writable_bytes(std::span(read)));
    EXPECT_EQ(read, expected);
}

TEST(SpoolColumn, MayBeEmpty) {
    TempFolder folder;
    SpoolColumn column(folder / "");
    column.append(nullptr, 0);
    EXPECT_EQ(column.size(), 0U);
    column.copy_to({});
}

/// Two users of one kind of id; the second comes back to the first one's items.
void expect_dataset(const Id& first_user, const Id& second_user, const Id& first_item,
                    const Id& second_item) {
    TempFolder folder;
    DatasetWriter writer(folder / "");
    writer.begin_user(first_user);
    writer.interaction(first_item, 1.5);
    writer.interaction(second_item, 2);
    writer.begin_user(second_user);
    for (int i = 0; i < 100; ++i) writer.interaction(i % 2 == 0 ? second_item : first_item, i);
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    EXPECT_EQ(ids(file, "user"), (std::vector{id_text(first_user), id_text(second_user)}));
    EXPECT_EQ(ids(file, "item"), (std::vector{id_text(first_item), id_text(second_item)}));
    EXPECT_EQ(values<std::int64_t>(file, "user.offsets"), (std::vector<std::int64_t>{0, 2, 102}));
    std::vector<std::int32_t> items{0, 1};
    std::vector<double> times{1.5, 2};
    for (int i = 0; i < 100; ++i) {
        items.push_back(i % 2 == 0 ? 1 : 0);
        times.push_back(i);
    }
    EXPECT_EQ(values<std::int32_t>(file, "event.item"), items);
    EXPECT_EQ(values<double>(file, "event.time"), times);
    EXPECT_EQ(writer.counts().items, 2);
}

TEST(Dataset, HoldsIdsOfEveryKind) {
    using namespace std::string_view_literals;
    expect_dataset("u1"sv, "u2"sv, "i1"sv, ""sv);
    expect_dataset(kLowest, kHighest, std::int64_t{-1}, std::int64_t{0});
    expect_dataset(uuid_of(0, 0), uuid_of(255, 255), uuid_of(128, 0), uuid_of(0, 1));
    expect_dataset(std::int64_t{7}, std::int64_t{8}, "i1"sv, "i2"sv);
    expect_dataset("u1"sv, "u2"sv, uuid_of(1, 0), uuid_of(0, 1));
}

TEST(Dataset, MayBeEmpty) {
    TempFolder folder;
    DatasetWriter writer(folder / "");
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    EXPECT_EQ(values<std::int64_t>(file, "user.offsets"), std::vector<std::int64_t>{0});
    EXPECT_TRUE(ids(file, "item").empty());
}

TEST(Dataset, HoldsMetadata) {
    TempFolder folder;
    DatasetWriter writer(folder / "");
    writer.set_metadata("job", "00000000-0000-0000-0000-00000000000a");
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    EXPECT_EQ(file.meta("job"), "00000000-0000-0000-0000-00000000000a");
    EXPECT_EQ(file.meta("format"), "seqrec-dataset/1");
}

/// The worker uses the file of an interrupted job again, whatever interrupted it.
TEST(Dataset, IsOnDiskOnceItIsWritten) {
    TempFolder folder;
    DatasetWriter writer(folder / "");
    syncs = 0;
    writer.write(folder / "dataset");
    EXPECT_GE(syncs, 2);  // the file and its folder
}

TEST(Dataset, RefusesTooManyUsersAndItems) {
    TempFolder folder;
    DatasetWriter writer(folder / "", 2);
    std::string message;
    for (std::int64_t user = 0; user < 2; ++user) writer.begin_user(user);
    EXPECT_EQ(error_of([&] { writer.begin_user(std::int64_t{2}); }, &message), "54000");
    EXPECT_EQ(message, "too many different users / A model holds at most 2 users.");
    for (const char* item : {"a", "b", "a"}) writer.interaction(std::string_view(item), 1);
    EXPECT_EQ(error_of([&] { writer.interaction(std::string_view("c"), 1); }, &message), "54000");
    EXPECT_EQ(message, "too many different items / A model holds at most 2 items.");
    EXPECT_LE(kMostIds, std::numeric_limits<std::int32_t>::max() - 1);
}

TEST(Dataset, RefusesLongIds) {
    TempFolder folder;
    DatasetWriter writer(folder / "");
    const std::string most(512, 'x'), more = most + "x";
    writer.begin_user(std::string_view(most));
    writer.interaction(std::string_view(most), 1);
    std::string message;
    EXPECT_EQ(error_of([&] { writer.begin_user(std::string_view(more)); }, &message), "54000");
    EXPECT_EQ(message, "a user id of 513 bytes is too long: \"" + std::string(40, 'x') +
                           "...\" / An id may have at most 512 bytes.");
    EXPECT_EQ(error_of([&] { writer.interaction(std::string_view(more), 1); }, &message), "54000");
    EXPECT_EQ(message, "an item id of 513 bytes is too long: \"" + std::string(40, 'x') +
                           "...\" / An id may have at most 512 bytes.");
    EXPECT_EQ(writer.counts().users, 1);
    EXPECT_EQ(writer.counts().interactions, 1);
}

TEST(Dataset, ShowsLongIdsUpToACharactersEnd) {
    TempFolder folder;
    DatasetWriter writer(folder / "");
    std::string id = "a", shown = "a", message;  // 1 + 13 * 3 = 40 bytes
    for (int i = 0; i < 200; ++i) id += "\u4e66";
    for (int i = 0; i < 13; ++i) shown += "\u4e66";
    error_of([&] { writer.begin_user(std::string_view(id)); }, &message);
    EXPECT_NE(message.find('"' + shown + "...\""), std::string::npos) << message;
    id.insert(0, 1, 'b');
    shown.insert(0, 1, 'b').resize(38);
    error_of([&] { writer.begin_user(std::string_view(id)); }, &message);
    EXPECT_NE(message.find('"' + shown + "...\""), std::string::npos) << message;
}

}  // namespace
}  // namespace seqrec
