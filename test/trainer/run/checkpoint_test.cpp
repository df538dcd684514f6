// Whose state a checkpoint is.
#include "run/checkpoint.hpp"

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

}  // namespace
}  // namespace seqrec::trainer
