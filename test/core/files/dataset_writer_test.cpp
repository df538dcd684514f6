#include "core/files/dataset_writer.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "files/sample_ids.hpp"
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
using testing::kHighest;
using testing::kLowest;
using testing::TempFolder;
using testing::uuid_of;

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
    EXPECT_NO_THROW(file.verify());
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

TEST(Dataset, HoldsFeaturesOfItemsUsersAndEvents) {
    using namespace std::string_view_literals;
    TempFolder folder;
    DatasetWriter writer(folder / "");
    writer.add_table(Side::Item, {{"price", FeatureType::Number}, {"genres", FeatureType::Category}});
    writer.add_table(Side::User, {{"age", FeatureType::Number}});
    writer.add_event_columns({{"channel", FeatureType::Category}}, true, true, true);
    const auto event = [&](const Id& item, double time, std::string_view channel) {
        writer.interaction(item, time);
        writer.event_columns()[0].put(std::span(&channel, 1));
        writer.label(static_cast<float>(time));
        writer.weight(2);
        writer.excluded(time == 2);
    };
    writer.begin_user("u1"sv);
    event(std::int64_t{7}, 1, "web");
    event(std::int64_t{8}, 2, "app");
    writer.begin_user("u2"sv);
    event(std::int64_t{8}, 3, "web");
    const std::string_view genres[] = {"drama", "comedy"};
    const auto item = [&](const Id& id, double price, std::size_t count) {
        if (!writer.begin_row(Side::Item, id)) return false;
        writer.table(Side::Item).columns()[0].put(price);
        writer.table(Side::Item).columns()[1].put({genres, count});
        return true;
    };
    EXPECT_TRUE(item("9"sv, 90, 1));
    EXPECT_TRUE(item("8"sv, 80, 2));
    EXPECT_FALSE(item(std::int64_t{9}, 91, 0));  // the same text is the same id
    EXPECT_EQ(writer.count(Side::Item), 3);
    EXPECT_EQ(writer.table(Side::Item).rows(), 2);
    const auto user = [&](const Id& id, double age) {
        if (!writer.begin_row(Side::User, id)) return false;
        writer.table(Side::User).columns()[0].put(age);
        return true;
    };
    EXPECT_TRUE(user("u2"sv, 20));
    EXPECT_TRUE(user("newcomer"sv, 30));
    EXPECT_FALSE(user("u2"sv, 21));
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    EXPECT_EQ(ids(file, "item"), (std::vector<std::string>{"7", "8", "9"}));
    EXPECT_EQ(ids(file, "user"), (std::vector<std::string>{"u1", "u2", "newcomer"}));
    EXPECT_EQ(values<std::int64_t>(file, "user.offsets"), (std::vector<std::int64_t>{0, 2, 3, 3}));
    const auto prices = values<double>(file, "item.feature.0.values");
    EXPECT_TRUE(std::isnan(prices.at(0)));
    EXPECT_EQ((std::vector(prices.begin() + 1, prices.end())), (std::vector<double>{80, 90}));
    EXPECT_EQ(values<std::int64_t>(file, "item.feature.1.offsets"), (std::vector<std::int64_t>{0, 0, 2, 3}));
    EXPECT_EQ(values<std::int32_t>(file, "item.feature.1.codes"), (std::vector<std::int32_t>{0, 1, 0}));
    EXPECT_EQ(values<double>(file, "user.feature.0.values").at(2), 30);
    EXPECT_EQ(values<std::int32_t>(file, "event.feature.0.codes"), (std::vector<std::int32_t>{0, 1, 0}));
    EXPECT_EQ(values<float>(file, "event.label"), (std::vector<float>{1, 2, 3}));
    EXPECT_EQ(values<float>(file, "event.weight"), (std::vector<float>{2, 2, 2}));
    EXPECT_EQ(values<std::uint8_t>(file, "event.excluded"), (std::vector<std::uint8_t>{0, 1, 0}));
    EXPECT_EQ(file.meta("format"), "seqrec-dataset/1");
    EXPECT_EQ(nlohmann::json::parse(file.meta("features")), nlohmann::json::parse(R"({
        "item": [{"name": "price", "type": "number"}, {"name": "genres", "type": "category"}],
        "user": [{"name": "age", "type": "number"}],
        "event": [{"name": "channel", "type": "category"}]})"));
}

TEST(Dataset, HoldsTextsAndVectorsOfItemsInItsOwnOrder) {
    using namespace std::string_view_literals;
    TempFolder folder;
    DatasetWriter writer(folder / "");
    writer.add_table(Side::Item, {});
    writer.add_item_content(true, true);
    writer.begin_user("u1"sv);
    for (const std::string_view item : {"a"sv, "b"sv, "c"sv}) writer.interaction(item, 1);
    EXPECT_EQ(writer.vector_width(), 0U);
    EXPECT_TRUE(writer.begin_row(Side::Item, "new"sv));
    writer.item_text("\u5e10\u7bf7\nsmall");
    const float first[] = {1, 2, 3};
    EXPECT_TRUE(writer.item_vector(first));
    EXPECT_TRUE(writer.begin_row(Side::Item, "c"sv));
    writer.item_text("");
    EXPECT_TRUE(writer.begin_row(Side::Item, "a"sv));
    writer.item_text("Tent");
    EXPECT_FALSE(writer.item_vector(std::span(first).first(2)));
    const float second[] = {4, 5, 6};
    EXPECT_TRUE(writer.item_vector(second));
    EXPECT_EQ(writer.vector_width(), 3U);
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    EXPECT_EQ(ids(file, "item"), (std::vector<std::string>{"a", "b", "c", "new"}));
    EXPECT_EQ(values<std::uint8_t>(file, "item.listed"), (std::vector<std::uint8_t>{1, 0, 1, 1}));
    const auto offsets = file.get<std::int64_t>("item.text.offsets", {5});
    const auto bytes = file.get<std::uint8_t>("item.text.bytes", {-1});
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < 4; ++i)
        texts.emplace_back(bytes.begin() + offsets[i], bytes.begin() + offsets[i + 1]);
    EXPECT_EQ(texts, (std::vector<std::string>{"Tent", "", "", "\u5e10\u7bf7\nsmall"}));
    const auto vectors = file.get<float>("item.vector", {4, 3});
    EXPECT_EQ((std::vector(vectors.begin(), vectors.begin() + 3)), (std::vector<float>{4, 5, 6}));
    EXPECT_EQ((std::vector(vectors.end() - 3, vectors.end())), (std::vector<float>{1, 2, 3}));
    for (std::size_t i = 3; i < 9; ++i) EXPECT_TRUE(std::isnan(vectors[i])) << i;
}

TEST(Dataset, HoldsNoVectorsWhereNoItemHasOne) {
    using namespace std::string_view_literals;
    TempFolder folder;
    DatasetWriter writer(folder / "");
    writer.add_table(Side::Item, {});
    writer.add_item_content(true, true);
    EXPECT_TRUE(writer.begin_row(Side::Item, "only"sv));
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    EXPECT_FALSE(file.contains("item.vector"));
    EXPECT_EQ(values<std::int64_t>(file, "item.text.offsets"), (std::vector<std::int64_t>{0, 0}));
}

TEST(Dataset, KeepsTextsOfManyBuffersApart) {
    TempFolder folder;
    DatasetWriter writer(folder / "");
    writer.add_table(Side::Item, {});
    writer.add_item_content(true, false);
    for (std::int64_t item = 0; item < 100; ++item) {
        EXPECT_TRUE(writer.begin_row(Side::Item, item));
        writer.item_text(std::string(kMostItemTextBytes, static_cast<char>('a' + item % 26)));
    }
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    const auto bytes = file.get<std::uint8_t>("item.text.bytes", {100 * std::int64_t{kMostItemTextBytes}});
    for (std::size_t i = 0; i < bytes.size(); i += kMostItemTextBytes / 2)
        EXPECT_EQ(bytes[i], 'a' + i / kMostItemTextBytes % 26) << i;
}

TEST(Dataset, SaysNothingOfFeaturesWithoutAny) {
    TempFolder folder;
    DatasetWriter writer(folder / "");
    writer.add_table(Side::Item, {});
    writer.begin_user(std::int64_t{1});
    writer.interaction(std::int64_t{1}, 1);
    EXPECT_TRUE(writer.begin_row(Side::Item, std::int64_t{2}));
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    EXPECT_FALSE(file.metadata().contains("features"));
    EXPECT_EQ(ids(file, "item"), (std::vector<std::string>{"1", "2"}));
    EXPECT_FALSE(file.contains("event.label"));
}

/// Items of an earlier model, as text; the table's may be numbers.
TEST(DatasetWriter, ItemsAreAddedOnceWhateverTheyCameAs) {
    using namespace std::string_view_literals;
    const TempFolder folder;
    const std::string long_id(kMostIdBytes + 1, 'x');
    DatasetWriter writer(folder / "");
    writer.begin_user("u"sv);
    writer.interaction(std::int64_t{7}, 1);
    writer.add_item("9"sv);
    writer.add_item("7"sv);
    EXPECT_EQ(writer.count(Side::Item), 2);
    writer.write(folder / "dataset");
    const SafetensorsFile file = SafetensorsFile::open(folder / "dataset");
    EXPECT_EQ(ids(file, "item"), (std::vector<std::string>{"7", "9"}));
    EXPECT_EQ(values<std::int32_t>(file, "event.item"), (std::vector<std::int32_t>{0}));
    EXPECT_EQ(error_of([&] { writer.add_item(std::string_view(long_id)); }), "54000");
}

}  // namespace
}  // namespace seqrec
