// Whose state a checkpoint is, and what is said of one that is none.
#include "run/checkpoint.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using seqrec::testing::error_of;
using seqrec::testing::TempFolder;

const json kState = {{"epoch", 3}}, kSettings = {{"dim", 8}};

TEST(Checkpoint, IsReadByTheJobThatWroteIt) {
    const TempFolder folder;
    for (const char* job : {"", "a"}) {
        Checkpoint checkpoint(folder / "checkpoint", job);
        checkpoint.write(kState, kSettings, {{"x", at::ones({2})}});
        const auto stored = checkpoint.read(kSettings);
        ASSERT_TRUE(stored) << job;
        EXPECT_EQ(stored->state, kState);
        EXPECT_EQ(stored->file.metadata().contains("job"), *job != 0);
    }
}

TEST(Checkpoint, OfAnotherJobIsNoneWhateverItsSettings) {
    const TempFolder folder;
    Checkpoint(folder / "checkpoint", "a").write(kState, kSettings, {});
    for (const json& settings : {kSettings, json{{"dim", 16}}}) {
        EXPECT_FALSE(Checkpoint(folder / "checkpoint", "b").read(settings));
        EXPECT_FALSE(Checkpoint(folder / "checkpoint", "").read(settings));
    }
    Checkpoint(folder / "checkpoint", "").write(kState, kSettings, {});
    EXPECT_FALSE(Checkpoint(folder / "checkpoint", "a").read(kSettings));
}

TEST(Checkpoint, OfOtherSettingsIsRefused) {
    const TempFolder folder;
    Checkpoint checkpoint(folder / "checkpoint", "a");
    checkpoint.write(kState, kSettings, {});
    EXPECT_EQ(error_of([&] { (void)checkpoint.read({{"dim", 16}}); }), "22023");
}

/// XX001, in our own words and not in a library's, with something to do.
void expect_refused(const std::function<void()>& read, const std::string& because) {
    std::string said;
    EXPECT_EQ(error_of(read, &said), "XX001") << because;
    EXPECT_EQ(said,
              "the checkpoint is not valid: " + because + " / Start the training again with seqrec_train.");
}

TEST(Checkpoint, OfWhichTheStateIsNoneIsRefusedInASentence) {
    const TempFolder folder;
    const Checkpoint checkpoint(folder / "checkpoint", "");
    std::map<std::string, std::string> written = {
        {"format", "seqrec-checkpoint/1"}, {"state", "{\"epoch\": 3"}, {"settings", kSettings.dump()}};
    const auto read = [&] { (void)checkpoint.read(kSettings); };
    write_tensors(folder / "checkpoint", written, {});
    expect_refused(read, "its state is no JSON object");
    written["state"] = "3";
    write_tensors(folder / "checkpoint", written, {});
    expect_refused(read, "its state is no JSON object");
    written["settings"] = "dim";
    write_tensors(folder / "checkpoint", written, {});
    expect_refused([&] { (void)checkpoint.settings(); }, "its settings is no JSON object");
    written.erase("settings");
    write_tensors(folder / "checkpoint", written, {});
    expect_refused(read, "invalid safetensors file: no metadata \"settings\"");
    written["format"] = "seqrec-model/2";
    written["settings"] = "{}";
    write_tensors(folder / "checkpoint", written, {});
    expect_refused(read, "its format is seqrec-model/2");
    seqrec::testing::write_file(folder / "checkpoint", "");
    expect_refused(read, "invalid safetensors file: shorter than its header");
}

std::vector<std::byte> bytes_of(const std::string& path) {
    const MappedFile file(path);
    return {file.bytes().begin(), file.bytes().end()};
}

void put(const std::string& path, std::span<const std::byte> bytes) {
    seqrec::testing::write_file(path, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

/// Whichever byte after the header it is, of a tensor, between two or of the checksum, and whoever asks.
TEST(Checkpoint, OfWhichAByteIsAnotherIsRefused) {
    const TempFolder folder;
    const std::string path = folder / "checkpoint";
    Checkpoint checkpoint(path, "a");
    checkpoint.write(kState, kSettings, {{"x", at::ones({20})}, {"y", at::zeros({3}, at::kLong)}});
    std::vector<std::byte> bytes = bytes_of(path);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    for (std::size_t at = sizeof header + header; at < bytes.size(); ++at) {
        bytes[at] ^= std::byte{1};
        put(path, bytes);
        std::string said;
        EXPECT_EQ(error_of([&] { (void)checkpoint.read(kSettings); }, &said), "XX001") << at;
        EXPECT_TRUE(said.starts_with("the checkpoint is not valid: ")) << said;
        EXPECT_TRUE(said.ends_with(" / Start the training again with seqrec_train.")) << said;
        EXPECT_EQ(error_of([&] { (void)checkpoint.settings(); }), "XX001") << at;
        bytes[at] ^= std::byte{1};
    }
    put(path, bytes);
    EXPECT_TRUE(checkpoint.read(kSettings));
    EXPECT_EQ(checkpoint.settings(), kSettings);
}

TEST(Checkpoint, OfWhichAPageIsZerosIsRefused) {
    const TempFolder folder;
    Checkpoint checkpoint(folder / "checkpoint", "");
    checkpoint.write(kState, kSettings, {{"x", at::ones({1 << 19})}});  // 2 MiB
    std::vector<std::byte> bytes = bytes_of(folder / "checkpoint");
    std::fill_n(bytes.begin() + (1 << 20) + (1 << 19), 4096, std::byte{});
    put(folder / "checkpoint", bytes);
    expect_refused([&] { (void)checkpoint.read(kSettings); },
                   "invalid safetensors file: MiB 1 of the data does not match its checksum");
}

/// What stands in the header is told from what was written, too: a state of another epoch, other settings.
TEST(Checkpoint, OfWhichTheStateIsAnotherIsRefused) {
    const TempFolder folder;
    Checkpoint checkpoint(folder / "checkpoint", "");
    checkpoint.write(kState, kSettings, {});
    std::vector<std::byte> bytes = bytes_of(folder / "checkpoint");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const char* word : {"epoch\\\":3", "dim\\\":8"}) {
        const auto at = text.find(word);
        ASSERT_NE(at, text.npos) << word << text;
        std::byte& digit = bytes[at + std::string_view(word).size() - 1];
        digit ^= std::byte{1};
        put(folder / "checkpoint", bytes);
        digit ^= std::byte{1};
        expect_refused([&] { (void)checkpoint.read(kSettings); },
                       "invalid safetensors file: the header does not match its checksum");
    }
}

/// As an earlier build of this format wrote them.
TEST(Checkpoint, WithoutAChecksumIsRead) {
    const TempFolder folder;
    SafetensorsWriter writer;
    writer.set_metadata("format", "seqrec-checkpoint/1");
    writer.set_metadata("state", kState.dump());
    writer.set_metadata("settings", kSettings.dump());
    writer.declare<float>("x", {2});
    writer.create(folder / "checkpoint");
    std::ranges::fill(writer.data<float>("x"), 7.0f);
    writer.commit();
    const auto stored = Checkpoint(folder / "checkpoint", "").read(kSettings);
    ASSERT_TRUE(stored);
    const at::Tensor x = at::zeros({2});
    stored->read_into("x", x);
    EXPECT_TRUE(at::equal(x, at::full({2}, 7.0f)));
}

TEST(Checkpoint, OfAnotherJobIsNoneDamagedOrNot) {
    const TempFolder folder;
    Checkpoint(folder / "checkpoint", "a").write(kState, kSettings, {{"x", at::ones({20})}});
    std::vector<std::byte> bytes = bytes_of(folder / "checkpoint");
    bytes.back() ^= std::byte{1};
    put(folder / "checkpoint", bytes);
    EXPECT_FALSE(Checkpoint(folder / "checkpoint", "b").read(kSettings));
    EXPECT_FALSE(Checkpoint(folder / "checkpoint", "b").settings());
}

TEST(Checkpoint, StateIsWhatWasWritten) {
    const json state = {
        {"epoch", 3}, {"loss", 0.5}, {"random", 18446744073709551615U}, {"half", 1.5}, {"none", nullptr}};
    EXPECT_EQ(state_of<int>(state, "epoch"), 3);
    EXPECT_EQ(state_of<double>(state, "loss"), 0.5);
    EXPECT_EQ(state_of<std::uint64_t>(state, "random"), 18446744073709551615U);
    expect_refused([&] { (void)state_of<int>(state, "step"); }, "it does not say step");
    expect_refused([&] { (void)state_of<int>(state, "half"); }, "its half is 1.5");
    expect_refused([&] { (void)state_of<double>(state, "none"); }, "its none is null");
    expect_refused([&] { (void)state_of<std::string>(state, "loss"); }, "its loss is 0.5");
    expect_refused([&] { (void)state_of<bool>(state, "epoch"); }, "its epoch is 3");
}

TEST(Checkpoint, TensorsAreOfTheTypeAndShapeThatIsWanted) {
    const TempFolder folder;
    Checkpoint checkpoint(folder / "checkpoint", "");
    checkpoint.write(kState, kSettings, {{"x", at::ones({2})}});
    const auto stored = checkpoint.read(kSettings);
    ASSERT_TRUE(stored);
    const at::Tensor wanted = at::zeros({2});
    stored->read_into("x", wanted);
    EXPECT_TRUE(at::equal(wanted, at::ones({2})));
    expect_refused([&] { stored->read_into("y", wanted); }, "it has no tensor y");
    for (const at::Tensor& other : {at::zeros({1}), at::zeros({2, 1}), at::zeros({2}, at::kDouble)})
        expect_refused([&] { stored->read_into("x", other); }, "its tensor x has another type or shape");
}

}  // namespace
}  // namespace seqrec::trainer
