// Whose state a checkpoint is, and what is said of one that is none.
#include "run/checkpoint.hpp"

#include <functional>
#include <map>

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
