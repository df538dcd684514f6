#include "core/files/snapshot.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <vector>

#include "core/kinds/transformer.hpp"
#include "memory_file.hpp"
#include "testing.hpp"
#include "tiny_model.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using testing::MemoryFile;
using testing::read_file;
using testing::TempFolder;
using testing::TinyModel;
using testing::write_file;

class SnapshotTest : public ::testing::Test {
  protected:
    /// Writes the model, replaces `from` by `to` (of the same length) in the file, opens it.
    std::string open_error_after(std::string_view from, std::string_view to) {
        model_.write(path_);
        std::string bytes = read_file(path_);
        EXPECT_EQ(from.size(), to.size());
        const std::size_t at = bytes.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        write_file(path_, bytes.replace(at, from.size(), to));
        return error_of([&] { Snapshot::open(path_); });
    }

    /// Copies the snapshot to "rewritten", tensor by tensor; `change` may alter a shape, or say false to
    /// leave one out.
    void rewrite(const std::function<bool(const std::string& name, Shape& shape)>& change) {
        const SafetensorsFile file = SafetensorsFile::open(path_);
        SafetensorsWriter writer;
        for (const auto& [key, value] : file.metadata()) writer.set_metadata(key, value);
        for (const auto& [key, value] : other_metadata_) writer.set_metadata(key, value);
        std::vector<std::string> kept;
        for (const auto& [name, tensor] : file.tensors()) {
            Shape shape = tensor.shape;
            if (name.starts_with("pad.") || !change(name, shape)) continue;
            writer.declare(name, tensor.dtype, shape);
            kept.push_back(name);
        }
        writer.create(folder_ / "rewritten");
        for (const std::string& name : kept) {
            const std::span<std::byte> target = writer.bytes(name);
            std::copy_n(file.tensor(name).bytes.begin(), target.size(), target.begin());
        }
        writer.commit();
    }
    /// The same with one tensor short of its last row.
    void rewrite_with_one_less_in(std::string_view shortened) {
        rewrite([&](const std::string& name, Shape& shape) {
            if (name == shortened) --shape.at(0);
            return true;
        });
    }

    std::map<std::string, std::string> other_metadata_;  // of what is rewritten
    TempFolder folder_;
    const std::string path_ = folder_ / "snapshot";
    TinyModel model_;
};

TEST_F(SnapshotTest, HoldsWhatWasWritten) {
    model_.write(path_);
    const Snapshot snapshot = Snapshot::open(path_);
    EXPECT_EQ(snapshot.dim(), model_.dim);
    ASSERT_EQ(snapshot.items().size(), model_.items());
    ASSERT_EQ(snapshot.users().size(), model_.users());
    EXPECT_EQ(snapshot.file().meta("version"), model_.version);
    EXPECT_EQ(snapshot.file().meta("kind"), "transformer");
    for (std::int32_t i = 0; i < model_.items(); ++i) {
        const auto row = snapshot.rows().matrix.subspan(static_cast<std::size_t>(i * model_.dim),
                                                        static_cast<std::size_t>(model_.dim));
        EXPECT_EQ(std::vector<float>(row.begin(), row.end()), model_.item_embedding(i));
        EXPECT_EQ(snapshot.item_popularity()[static_cast<std::size_t>(i)], model_.popularity(i));
        EXPECT_EQ(snapshot.items().id(i), model_.item_id(i));
        EXPECT_EQ(snapshot.items().find(model_.item_id(i)), i);
    }
    for (std::int32_t u = 0; u < model_.users(); ++u) {
        EXPECT_EQ(snapshot.users().find(model_.user_id(u)), u);
        const auto seen = snapshot.seen(u);
        EXPECT_EQ(std::vector(seen.begin(), seen.end()), model_.seen[static_cast<std::size_t>(u)]);
    }
    for (const auto& [name, values] : model_.weights())
        EXPECT_EQ(snapshot.file().tensor(name).bytes.size(), values.size() * sizeof(float)) << name;
}

TEST_F(SnapshotTest, ScaleIsOneOverTheLength) {
    model_.write(path_);
    const Snapshot snapshot = Snapshot::open(path_);
    for (std::int32_t i = 0; i < model_.items(); ++i) {
        double square = 0;
        for (const float x : model_.item_embedding(i)) square += static_cast<double>(x) * x;
        EXPECT_FLOAT_EQ(snapshot.rows().unit[static_cast<std::size_t>(i)],
                        static_cast<float>(1 / std::sqrt(square)));
    }
}

TEST_F(SnapshotTest, AVectorWithoutLengthHasScaleZero) {
    model_.item_vectors[0].assign(static_cast<std::size_t>(model_.dim), 0);
    model_.item_vectors[1].assign(static_cast<std::size_t>(model_.dim),
                                  std::numeric_limits<float>::denorm_min());
    model_.write(path_);
    const Snapshot snapshot = Snapshot::open(path_);
    EXPECT_EQ(snapshot.rows().unit[0], 0);
    EXPECT_EQ(snapshot.rows().unit[1], 0);
    EXPECT_GT(snapshot.rows().unit[2], 0);
}

TEST_F(SnapshotTest, TheSameContentGivesTheSameBytes) {
    model_.write(path_);
    TinyModel().write(folder_ / "again");
    EXPECT_EQ(read_file(path_), read_file(folder_ / "again"));
    TinyModel other;
    other.version = "11111111-0000-4000-8000-000000000000";
    other.write(folder_ / "other");
    EXPECT_NE(read_file(path_), read_file(folder_ / "other"));
}

/// A snapshot made for other kernels, or before they were packed into it, answers the same to the last bit.
TEST_F(SnapshotTest, PackedWeightsChangeNoAnswer) {
    const std::string packed = kTransformer.packing->name();
    model_.write(path_);
    rewrite([&](const std::string& name, Shape&) { return name != packed; });
    const auto vector_of = [&](const std::string& path, bool is_packed) {
        const Snapshot snapshot = Snapshot::open(path);
        EXPECT_EQ(snapshot.file().contains(packed), is_packed);
        std::vector<float> vector(static_cast<std::size_t>(snapshot.dim()));
        const std::int32_t clicks[] = {1, 2, 5};
        snapshot.encoder().encode({clicks, 0}, vector);
        return vector;
    };
    EXPECT_EQ(vector_of(path_, true), vector_of(folder_ / "rewritten", false));
}

TEST_F(SnapshotTest, AKindThatIsNotKnownIsRefusedByName) {
    std::string message;
    model_.write(path_);
    std::string bytes = read_file(path_);
    write_file(path_, bytes.replace(bytes.find("transformer"), 11, "transmorfer"));
    EXPECT_EQ(error_of([&] { Snapshot::open(path_); }, &message), sqlstate::kFeatureNotSupported);
    EXPECT_NE(message.find("\"transmorfer\""), std::string::npos) << message;
    model_.kind = "transmorfer";
    EXPECT_EQ(error_of([&] { model_.write(path_); }, &message), sqlstate::kFeatureNotSupported);
    EXPECT_NE(message.find("\"transmorfer\""), std::string::npos) << message;
}

TEST_F(SnapshotTest, AFormOfScoresThatIsNotKnownIsRefused) {
    for (const char* score :
         {"", "{}", "cosine", R"({"link": "hinge"})", R"({"link": "dot", "item_price": true})",
          R"({"link": "cosine", "item_bias": true})", R"({"link": 1})"}) {
        model_.score = score;
        EXPECT_EQ(error_of([&] { model_.write(path_); }), sqlstate::kDataCorrupted) << score;
    }
}

TEST_F(SnapshotTest, PackedWeightsAreReadFromTheFile) {
    model_.write(path_);
    const auto vector_of = [&] {
        const Snapshot snapshot = Snapshot::open(path_);
        std::vector<float> vector(static_cast<std::size_t>(snapshot.dim()));
        const std::int32_t clicks[] = {1, 2, 5};
        snapshot.encoder().encode({clicks, 0}, vector);
        return vector;
    };
    const std::vector<float> before = vector_of();
    std::string bytes = read_file(path_);
    const Snapshot snapshot = Snapshot::open(path_);
    const auto packed = snapshot.file().tensor(kTransformer.packing->name()).bytes;
    const std::string text(reinterpret_cast<const char*>(packed.data()), packed.size());
    bytes.replace(bytes.find(text), text.size(), std::string(text.size(), '\0'));
    write_file(path_, bytes);
    EXPECT_NE(before, vector_of());
}

TEST_F(SnapshotTest, PackedWeightsOfAnotherSizeAreRefused) {
    model_.write(path_);
    rewrite_with_one_less_in(kTransformer.packing->name());
    EXPECT_EQ(error_of([&] { Snapshot::open(folder_ / "rewritten"); }), sqlstate::kDataCorrupted);
}

TEST_F(SnapshotTest, MovesWithItsParts) {
    model_.write(path_);
    Snapshot first = Snapshot::open(path_);
    const Snapshot second = std::move(first);
    EXPECT_EQ(second.items().find(model_.item_id(3)), 3);
    std::vector<float> vector(static_cast<std::size_t>(second.dim()));
    second.encoder().encode({{}, 0}, vector);
    EXPECT_EQ(second.rows().unit.size(), static_cast<std::size_t>(model_.items()));
}

TEST_F(SnapshotTest, OpenRefusesWhatIsNoSnapshot) {
    EXPECT_EQ(error_of([&] { Snapshot::open(folder_ / "none"); }), sqlstate::kIo);
    EXPECT_EQ(open_error_after("seqrec-snapshot/2", "seqrec-snapshot/1"), sqlstate::kDataCorrupted);
    EXPECT_EQ(open_error_after("\"format\"", "\"former\""), sqlstate::kDataCorrupted);
    EXPECT_EQ(open_error_after("\"version\"", "\"verzion\""), sqlstate::kDataCorrupted);
}

TEST_F(SnapshotTest, OpenRefusesMissingTensors) {
    const std::string quote = "\"";
    for (const std::string name : {"item.embedding", "item.id.bytes", "item.id.hash", "item.id.offsets",
                                   "item.popularity", "item.scale", "user.embedding", "user.id.bytes",
                                   "user.id.hash", "user.id.offsets", "user.seen.offsets", "user.seen.items"})
        EXPECT_EQ(open_error_after(quote + name + quote, quote + std::string(name.size(), 'x') + quote),
                  sqlstate::kDataCorrupted)
            << name;
}

TEST_F(SnapshotTest, ConfigsThatDoNotFitTheWeightsAreRefused) {
    for (const char* config :
         {"",
          "{",
          "[]",
          "{}",
          R"({"members": 1, "dim": "8", "layers": 2, "heads": 2, "max_len": 6})",
          R"({"dim": 8, "layers": 2, "heads": 2, "max_len": 6})",
          R"({"members": 0, "dim": 8, "layers": 2, "heads": 2, "max_len": 6})",
          R"({"members": 2, "dim": 8, "layers": 2, "heads": 2, "max_len": 6})",
          R"({"members": 2, "dim": 4, "layers": 2, "heads": 2, "max_len": 6})",
          R"({"members": 1, "dim": 0, "layers": 2, "heads": 2, "max_len": 6})",
          R"({"members": 1, "dim": -8, "layers": 2, "heads": 2, "max_len": 6})",
          R"({"members": 1, "dim": 16, "layers": 2, "heads": 2, "max_len": 6})",
          R"({"members": 1, "dim": 4, "layers": 2, "heads": 2, "max_len": 6})",
          R"({"members": 1, "dim": 8, "layers": 0, "heads": 2, "max_len": 6})",
          R"({"members": 1, "dim": 8, "layers": 3, "heads": 2, "max_len": 6})",
          R"({"members": 1, "dim": 8, "layers": 1099511627776, "heads": 2, "max_len": 6})",
          R"({"members": 1, "dim": 8, "layers": 2, "heads": 0, "max_len": 6})",
          R"({"members": 1, "dim": 8, "layers": 2, "heads": 3, "max_len": 6})",
          R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 7})",
          R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": -1})",
          R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 9223372036854775807})"}) {
        model_.config = TinyModel().config;
        model_.write(path_);
        other_metadata_ = {{"config", config}};
        rewrite([&](const std::string& name, Shape&) { return name != kTransformer.packing->name(); });
        EXPECT_EQ(error_of([&] { Snapshot::open(folder_ / "rewritten"); }), sqlstate::kDataCorrupted)
            << config;
        model_.config = config;
        EXPECT_EQ(error_of([&] { model_.write(path_); }), sqlstate::kDataCorrupted) << config;
    }
}

/// Two names swapped: every tensor is there, of an unexpected length or type.
TEST_F(SnapshotTest, OpenRefusesTensorsOfOtherShapes) {
    const auto swap_error = [&](std::string_view a, std::string_view b) {
        model_.write(path_);
        std::string bytes = read_file(path_);
        const std::size_t at_a = bytes.find(a), at_b = bytes.find(b);
        write_file(path_, bytes.replace(at_a, a.size(), b).replace(at_b, b.size(), a));
        return error_of([&] { Snapshot::open(path_); });
    };
    EXPECT_EQ(swap_error("item.embedding", "user.embedding"), sqlstate::kDataCorrupted);
    EXPECT_EQ(swap_error("item.id.hash", "user.id.hash"), sqlstate::kDataCorrupted);
    EXPECT_EQ(swap_error("item.id.offsets", "user.id.offsets"), sqlstate::kDataCorrupted);
}

/// Every tensor is well-formed, but one has a row less than the others.
TEST_F(SnapshotTest, OpenRefusesRowsThatDifferInNumber) {
    model_.write(path_);
    for (const std::string_view shortened :
         {"", "item.id.offsets", "user.id.offsets", "item.scale", "item.popularity", "user.seen.offsets"}) {
        rewrite_with_one_less_in(shortened);
        EXPECT_EQ(error_of([&] { Snapshot::open(folder_ / "rewritten"); }),
                  shortened.empty() ? "" : sqlstate::kDataCorrupted)
            << shortened;
    }
}

/// Opening does not look at the lists; asking for one finds that it is damaged, and the others still answer.
TEST_F(SnapshotTest, ASeenListThatLeavesTheFileIsRefused) {
    model_.write(path_);
    const std::string bytes = read_file(path_);
    const Snapshot whole = Snapshot::open(path_);
    for (const std::int32_t user : {-1, 5, INT32_MIN, INT32_MAX})
        EXPECT_EQ(error_of([&] { whole.seen(user); }), sqlstate::kDataCorrupted) << user;
    const auto offsets = whole.file().tensor("user.seen.offsets").bytes;
    const std::size_t at =
        bytes.find(std::string_view(reinterpret_cast<const char*>(offsets.data()), offsets.size_bytes()));
    for (const std::int64_t offset : {std::int64_t{-1}, std::int64_t{1000}, INT64_MIN, INT64_MAX}) {
        std::string damaged = bytes;
        std::memcpy(damaged.data() + at + 2 * sizeof offset, &offset, sizeof offset);
        write_file(folder_ / "damaged", damaged);
        const Snapshot snapshot = Snapshot::open(folder_ / "damaged");
        for (const std::int32_t user : {1, 2})
            EXPECT_EQ(error_of([&] { snapshot.seen(user); }), sqlstate::kDataCorrupted) << user << offset;
        EXPECT_EQ(snapshot.seen(4).size(), 4u);
    }
}

TEST_F(SnapshotTest, OpenRefusesEveryTruncatedFile) {
    model_.write(path_);
    const std::string bytes = read_file(path_);
    for (std::size_t size = 0; size < bytes.size(); size += 97) {
        const MemoryFile file{std::span<const char>(bytes.data(), size)};
        ASSERT_EQ(error_of([&] { Snapshot::open(file.path()); }), sqlstate::kDataCorrupted) << size;
    }
}

/// No byte can change without being noticed, whether the file still opens or not.
TEST_F(SnapshotTest, VerifyRefusesEveryChangedByte) {
    model_.write(path_);
    Snapshot::open(path_).verify();
    std::string bytes = read_file(path_);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        const auto whole = bytes[at];
        bytes[at] = static_cast<char>(whole ^ (1 << at % 8));
        const MemoryFile file{bytes};
        const std::string error = error_of([&] { Snapshot::open(file.path()).verify(); });
        const bool of_another_kind =
            error == sqlstate::kFeatureNotSupported && bytes.find("transformer") == bytes.npos;
        ASSERT_TRUE(of_another_kind || error == sqlstate::kDataCorrupted) << at << ": " << error;
        bytes[at] = whole;
    }
}

TEST_F(SnapshotTest, VerifyRefusesTheChecksumOfAnotherFile) {
    model_.write(path_);
    rewrite_with_one_less_in("");
    EXPECT_EQ(error_of([&] { Snapshot::open(folder_ / "rewritten").verify(); }), sqlstate::kDataCorrupted);
}

}  // namespace
}  // namespace seqrec
