// Writing a snapshot: any mix of orders, and nothing that does not add up.
#include "core/files/snapshot_writer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "core/files/id_index.hpp"
#include "core/files/snapshot.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using testing::read_file;
using testing::TempFolder;

/// A kind without tensors of its own.
const SnapshotWriter::Description kPlain = {"category_popularity", R"({"link": "dot"})", "{}", "v"};

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class SnapshotWriterTest : public ::testing::Test {
  protected:
    /// A writer of two items "a", "bc" and one user "u", dim 2, one weight "w" of 4 floats; no real model.
    SnapshotWriter small(std::int64_t item_bytes = 3, std::int64_t seen_items = 0) {
        SnapshotWriter writer({2, 1, 2, 2, item_bytes, 1, seen_items}, kPlain);
        writer.weight("w", DType::F32, {2, 2});
        writer.create(path_);
        return writer;
    }
    static void fill_weight(SnapshotWriter& writer) {
        writer.weight_part("w", 0, std::as_bytes(std::span(kFour)));
    }
    static void fill_rows(SnapshotWriter& writer) {
        writer.item(0, "a", kTwo, 1, -1);
        writer.item(1, "bc", kTwo, 2, -1);
        writer.user(0, "u", kTwo, 5, {});
    }
    void expect_nothing_left() { EXPECT_EQ(folder_.files(), 0u); }

    TempFolder folder_;
    const std::string path_ = folder_ / "snapshot";
    static constexpr float kFour[] = {1, 2, 3, 4};
    static constexpr float kTwo[] = {3, 4};
};

TEST_F(SnapshotWriterTest, WritesInAnyMixOfOrders) {
    SnapshotWriter writer = small();
    const auto bytes = std::as_bytes(std::span(kFour));
    writer.user(0, "u", kTwo, 5, {});
    writer.weight_part("w", 8, bytes.subspan(8));
    writer.item(0, "a", kTwo, 1, -1);
    writer.weight_part("w", 16, {});
    writer.weight_part("w", 0, bytes.first(8));
    writer.item(1, "bc", kTwo, 2, -1);
    int polls = 0;
    writer.commit([&] { ++polls; });
    EXPECT_GE(polls, 3);
    const SafetensorsFile file = SafetensorsFile::open(path_);
    EXPECT_EQ(file.get<float>("w", {2, 2})[3], 4);
    EXPECT_EQ(file.get<float>("item.scale", {2})[1], 0.2f);
    EXPECT_EQ(IdIndex(file, "item").find("bc"), 1);
    EXPECT_EQ(IdIndex(file, "user").find("u"), 0);
}

/// Ids that are numbers get a table where there is room for it; one outside of what was declared is refused.
TEST_F(SnapshotWriterTest, PutsNumbersInATable) {
    const auto write = [&](const IdNumbers& numbers) {
        SnapshotWriter writer({2, 1, 2, 2, 3, 1, 0, 0, numbers}, kPlain);
        writer.weight("w", DType::F32, {2, 2});
        writer.create(path_);
        fill_weight(writer);
        writer.item(0, "7", kTwo, 1, -1);
        writer.item(1, "12", kTwo, 2, -1);
        writer.user(0, "u", kTwo, 5, {});
        writer.commit();
        return SafetensorsFile::open(path_);
    };
    const SafetensorsFile file = write({5, 8});
    EXPECT_EQ(file.get<std::int32_t>("item.id.number", {8})[7], 1);
    EXPECT_EQ(IdIndex(file, "item").find("7"), 0);
    EXPECT_EQ(IdIndex(file, "item").find("8"), -1);
    EXPECT_FALSE(write({}).contains("item.id.number"));
    EXPECT_EQ(error_of([&] { write({5, 7}); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { write({-1, 20}); }), sqlstate::kDataCorrupted);
}

TEST_F(SnapshotWriterTest, RefusesIncompleteContent) {
    const auto commit_error = [&](auto fill) {
        return error_of([&] {
            SnapshotWriter writer = small();
            fill(writer);
            writer.commit();
        });
    };
    EXPECT_EQ(commit_error([](SnapshotWriter& w) { fill_rows(w), fill_weight(w); }), "");
    std::filesystem::remove(path_);
    EXPECT_EQ(commit_error([](SnapshotWriter& w) { fill_rows(w); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(commit_error([](SnapshotWriter& w) { fill_weight(w); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(commit_error([](SnapshotWriter& w) {
                  fill_weight(w);
                  w.item(0, "a", kTwo, 1, -1);
                  w.item(1, "bc", kTwo, 2, -1);
              }),
              sqlstate::kDataCorrupted);
    expect_nothing_left();
}

TEST_F(SnapshotWriterTest, RefusesWeightsInPartOrTwice) {
    const auto bytes = std::as_bytes(std::span(kFour));
    const auto commit_error = [&](std::vector<std::pair<std::size_t, std::size_t>> parts) {
        return error_of([&] {
            SnapshotWriter writer = small();
            fill_rows(writer);
            for (const auto& [begin, end] : parts)
                writer.weight_part("w", begin, bytes.subspan(begin, end - begin));
            writer.commit();
        });
    };
    EXPECT_EQ(commit_error({{0, 15}}), sqlstate::kDataCorrupted);
    EXPECT_EQ(commit_error({{1, 16}}), sqlstate::kDataCorrupted);
    EXPECT_EQ(commit_error({{0, 4}, {8, 16}}), sqlstate::kDataCorrupted);
    EXPECT_EQ(commit_error({{0, 8}, {0, 8}}), sqlstate::kDataCorrupted);
    EXPECT_EQ(commit_error({{0, 16}, {4, 8}}), sqlstate::kDataCorrupted);
    EXPECT_EQ(commit_error({{0, 12}, {8, 16}}), sqlstate::kDataCorrupted);
    expect_nothing_left();
    EXPECT_EQ(commit_error({{8, 12}, {0, 8}, {12, 16}}), "");
}

TEST_F(SnapshotWriterTest, RefusesPartsThatDoNotFit) {
    SnapshotWriter writer = small();
    const auto bytes = std::as_bytes(std::span(kFour));
    constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
    EXPECT_EQ(error_of([&] { writer.weight_part("w", 1, bytes); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { writer.weight_part("w", 17, {}); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { writer.weight_part("w", kMax, bytes); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { writer.weight_part("w", kMax - 3, bytes); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { writer.weight_part("x", 0, bytes); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { writer.weight_part("item.scale", 0, bytes.first(8)); }),
              sqlstate::kDataCorrupted);
}

TEST_F(SnapshotWriterTest, RefusesRowsOutOfOrder) {
    SnapshotWriter writer = small();
    for (const std::int64_t index :
         {std::int64_t{1}, std::int64_t{-1}, std::int64_t{2}, INT64_MIN, INT64_MAX})
        EXPECT_EQ(error_of([&] { writer.item(index, "a", kTwo, 1, -1); }), sqlstate::kDataCorrupted) << index;
    writer.item(0, "a", kTwo, 1, -1);
    EXPECT_EQ(error_of([&] { writer.item(0, "a", kTwo, 1, -1); }), sqlstate::kDataCorrupted);
    writer.item(1, "bc", kTwo, 1, -1);
    EXPECT_EQ(error_of([&] { writer.item(2, "", kTwo, 1, -1); }), sqlstate::kDataCorrupted);
    writer.user(0, "u", kTwo, 5, {});
    EXPECT_EQ(error_of([&] { writer.user(1, "", kTwo, 5, {}); }), sqlstate::kDataCorrupted);
}

TEST_F(SnapshotWriterTest, RefusesRowsThatAreNotNumbers) {
    SnapshotWriter writer = small();
    const float three[] = {1, 2, 3}, nan[] = {1, NAN}, infinite[] = {-kInfinity, 1};
    EXPECT_EQ(error_of([&] { writer.item(0, "a", three, 1, -1); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { writer.item(0, "a", {}, 1, -1); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { writer.item(0, "a", nan, 1, -1); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { writer.user(0, "u", infinite, 5, {}); }), sqlstate::kDataCorrupted);
    for (const float popularity : {-1.0f, NAN, kInfinity})
        EXPECT_EQ(error_of([&] { writer.item(0, "a", kTwo, popularity, -1); }), sqlstate::kDataCorrupted);
    writer.item(0, "a", kTwo, 1, -1);  // what was refused left no trace
}

TEST_F(SnapshotWriterTest, RefusesIdsOfAnotherLengthThanDeclared) {
    for (const std::int64_t declared : {0, 1, 2, 4, 100})
        EXPECT_EQ(error_of([&] {
                      SnapshotWriter writer = small(declared);
                      fill_weight(writer);
                      fill_rows(writer);
                      writer.commit();
                  }),
                  sqlstate::kDataCorrupted)
            << declared;
    expect_nothing_left();
}

TEST_F(SnapshotWriterTest, RefusesSeenItemsThatAreNotThereOrNotDeclared) {
    SnapshotWriter writer = small(3, 3);
    fill_weight(writer);
    writer.item(0, "a", kTwo, 1, -1);
    writer.item(1, "bc", kTwo, 1, -1);
    const auto user_error = [&](std::vector<std::int32_t> seen) {
        return error_of([&] { writer.user(0, "u", kTwo, 5, seen); });
    };
    for (const std::int32_t item : {-1, 2, INT32_MIN, INT32_MAX})
        EXPECT_EQ(user_error({1, item}), sqlstate::kDataCorrupted) << item;
    EXPECT_EQ(user_error({0, 1, 0, 1}), sqlstate::kDataCorrupted);
    EXPECT_EQ(user_error({1, 0}), "");  // what was refused left no trace
    EXPECT_EQ(error_of([&] { writer.commit(); }), sqlstate::kDataCorrupted);
}

/// Either every item is in one of the lists that were declared, or none is in any.
TEST_F(SnapshotWriterTest, RefusesListsThatAreNotThere) {
    for (const std::int64_t lists : {0, 1, 2}) {
        SnapshotWriter writer({2, 1, 2, 2, 3, 1, 0, lists}, kPlain);
        writer.create(path_);
        const auto list_error = [&](std::int32_t list) {
            return error_of([&] { writer.item(0, "a", kTwo, 1, list); });
        };
        for (const std::int32_t list : {-2, INT32_MIN, INT32_MAX, static_cast<std::int32_t>(lists)})
            EXPECT_EQ(list_error(list), sqlstate::kDataCorrupted) << lists << " " << list;
        EXPECT_EQ(list_error(lists == 0 ? 0 : -1), sqlstate::kDataCorrupted) << lists;
        EXPECT_EQ(list_error(static_cast<std::int32_t>(lists) - 1), "") << lists;
    }
}

TEST_F(SnapshotWriterTest, RefusesDuplicateIds) {
    SnapshotWriter writer = small(2);
    fill_weight(writer);
    writer.item(0, "a", kTwo, 1, -1);
    writer.item(1, "a", kTwo, 1, -1);
    writer.user(0, "u", kTwo, 5, {});
    std::string message;
    EXPECT_EQ(error_of([&] { writer.commit(); }, &message), sqlstate::kDataCorrupted);
    EXPECT_NE(message.find("duplicate id \"a\""), std::string::npos) << message;
}

TEST_F(SnapshotWriterTest, RefusesNamesThatAreTaken) {
    SnapshotWriter writer({0, 0, 8, 8, 0, 0, 0}, kPlain);
    writer.weight("w", DType::F32, {1});
    for (const char* name : {"w", "item.embedding", "user.id.hash", "pad.0", "__metadata__", "checksum"})
        EXPECT_EQ(error_of([&] { writer.weight(name, DType::F32, {1}); }), sqlstate::kDataCorrupted) << name;
    for (const char* name : {"item.listed", "item.text.hash"}) writer.weight(name, DType::U8, {0});
}

TEST_F(SnapshotWriterTest, RefusesSizesOutOfRange) {
    const auto refused = [&](SnapshotWriter::Size size) {
        return error_of([&] { SnapshotWriter(size, kPlain).create(path_); }) == sqlstate::kDataCorrupted;
    };
    EXPECT_FALSE(refused({0, 0, 1, 1, 0, 0, 0}));
    EXPECT_TRUE(refused({-1, 0, 1, 1, 0, 0, 0}));
    EXPECT_TRUE(refused({0, std::int64_t{1} << 31, 1, 1, 0, 0, 0}));
    EXPECT_TRUE(refused({0, 0, 0, 0, 0, 0, 0}));
    EXPECT_TRUE(refused({0, 0, 1, 1, -1, 0, 0}));
    EXPECT_TRUE(refused({0, 0, 1, 1, 0, INT64_MAX, 0}));
    EXPECT_TRUE(refused({0, 0, 1, 1, 0, 0, -1}));
    EXPECT_FALSE(refused({2, 0, 1, 1, 0, 0, 0, 2}));
    EXPECT_TRUE(refused({2, 0, 1, 1, 0, 0, 0, 3}));
    EXPECT_TRUE(refused({2, 0, 1, 1, 0, 0, 0, -1}));
    EXPECT_TRUE(refused({2, 0, 1, 1, 0, 0, 0, INT64_MAX}));
    EXPECT_TRUE(refused({0, 0, 1, 1, 0, 0, INT64_MAX}));
    EXPECT_TRUE(refused({1 << 30, 0, INT64_MAX, INT64_MAX, 0, 0, 0}));
    EXPECT_TRUE(refused({1 << 30, 1 << 30, std::int64_t{1} << 31, std::int64_t{1} << 31, 0, 0, 0}));
    expect_nothing_left();
}

TEST_F(SnapshotWriterTest, RefusesCallsOutOfOrder) {
    SnapshotWriter early({2, 1, 2, 2, 3, 1, 0}, kPlain);
    EXPECT_EQ(error_of([&] { early.item(0, "a", kTwo, 1, -1); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { early.user(0, "a", kTwo, 5, {}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { early.weight_part("w", 0, {}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { early.commit(); }), sqlstate::kInternal);
    SnapshotWriter writer = small();
    EXPECT_EQ(error_of([&] { writer.weight("x", DType::F32, {1}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { writer.create(path_); }), sqlstate::kInternal);
    fill_weight(writer);
    fill_rows(writer);
    writer.commit();
    EXPECT_EQ(error_of([&] { writer.commit(); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { writer.user(0, "u", kTwo, 5, {}); }), sqlstate::kInternal);
}

TEST_F(SnapshotWriterTest, AnAbandonedWriterLeavesNothing) {
    { const SnapshotWriter writer = small(); }
    expect_nothing_left();
    EXPECT_EQ(error_of([&] {
                  SnapshotWriter writer = small();
                  fill_weight(writer);
                  fill_rows(writer);
                  writer.commit([] { throw Error("57014", "canceled"); });
              }),
              "57014");
    expect_nothing_left();
}

}  // namespace
}  // namespace seqrec
