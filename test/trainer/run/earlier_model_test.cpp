// Whose rows the rows of an earlier model are.
#include "run/earlier_model.hpp"

#include <limits>

#include "shop.hpp"
#include "tiny_model.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::error_of;
using seqrec::testing::TempFolder;
using testing::Names;

constexpr double kNever = -std::numeric_limits<double>::infinity();

/// A dataset file of one click a user and item, with these ids.
void write_ids(const std::string& path, const Names& names) {
    testing::Sequences sequences(names.users.size());
    for (std::size_t u = 0; u < names.users.size(); ++u) sequences[u] = {0, 1};
    testing::write_dataset(path, sequences, static_cast<std::int64_t>(names.items.size()), "", names);
}

TEST(EarlierModel, MatchesRowsById) {
    const TempFolder folder;
    const seqrec::testing::TinyModel model;  // item-0 …, user-0 …, all of whom were seen until 5
    model.write(folder / "snapshot");
    write_ids(folder / "dataset", {{"item-3", "new", "", "item-0"}, {"stranger", "user-4"}});
    const EarlierModel earlier(folder / "snapshot", folder / "dataset");
    EXPECT_EQ(earlier.items, (std::vector<std::int32_t>{3, -1, -1, 0}));
    EXPECT_EQ(earlier.users, (std::vector<std::int32_t>{-1, 4}));
    EXPECT_EQ(earlier.seen_until, (std::vector<double>{kNever, 5}));
    EXPECT_EQ(earlier.known_items(), 2);
    EXPECT_EQ(earlier.known_users(), 1);
}

TEST(EarlierModel, TakesRowsThatAreKnown) {
    const at::Tensor fresh = at::full({3, 2}, -1.0f), earlier = at::arange(8, at::kFloat).reshape({4, 2});
    take_rows(fresh, earlier, {3, -1, 0});
    EXPECT_TRUE(at::equal(fresh, at::tensor({6.0f, 7.0f, -1.0f, -1.0f, 0.0f, 1.0f}).reshape({3, 2})));
}

TEST(EarlierModel, WhatIsNotThereOrNoSnapshotIsRefused) {
    const TempFolder folder;
    write_ids(folder / "dataset", {{"a", "b"}, {"u"}});
    EXPECT_EQ(error_of([&] { EarlierModel(folder / "snapshot", folder / "dataset"); }), "58030");
    EXPECT_EQ(error_of([&] { EarlierModel(folder / "dataset", folder / "dataset"); }),
              "XX001");  // has no id hash
    seqrec::testing::TinyModel().write(folder / "snapshot");
    EXPECT_EQ(error_of([&] { EarlierModel(folder / "snapshot", folder / "nowhere"); }), "58030");
}

/// Ids of a dataset that point outside their bytes.
TEST(EarlierModel, ADamagedDatasetIsRefused) {
    const TempFolder folder;
    seqrec::testing::TinyModel().write(folder / "snapshot");
    for (const std::int64_t end : {std::int64_t{-1}, std::int64_t{1000}}) {
        SafetensorsWriter writer;
        for (const std::string prefix : {"item", "user"}) {
            writer.declare<std::int64_t>(prefix + ".id.offsets", {2});
            writer.declare<std::uint8_t>(prefix + ".id.bytes", {3});
        }
        writer.create(folder / "dataset");
        writer.data<std::int64_t>("item.id.offsets")[1] = 3;
        writer.data<std::int64_t>("user.id.offsets")[1] = end;
        writer.commit();
        EXPECT_EQ(error_of([&] { EarlierModel(folder / "snapshot", folder / "dataset"); }), "XX001") << end;
    }
}

}  // namespace
}  // namespace seqrec::trainer
