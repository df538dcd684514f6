// What killed runs leave, and what they don't.
#include "run/leftovers.hpp"

#include "core/files/mapped_file.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;
using seqrec::testing::write_file;

TEST(Leftovers, AreWhatIsWrittenUnderATemporaryName) {
    const TempFolder folder;
    const NewFile model(folder / "model", 10), first(folder / "checkpoint.0", 10),
        last(folder / "checkpoint.12", 10);
    ASSERT_EQ(folder.files(), 3u);
    remove_leftovers(folder / "model", folder / "checkpoint");
    EXPECT_EQ(folder.files(), 0u);
}

TEST(Leftovers, AreNoOtherFiles) {
    const TempFolder folder;
    for (const char* name : {"model", "checkpoint.0", "dataset.tmp.1", "model.tmp", "model.tmp.",
                             "model.tmp.1x", "model.0.tmp.1", "xmodel.tmp.1", "checkpoint.tmp.1",
                             "checkpoint.x.tmp.1", "checkpoint.0.tmp.", "checkpoint0.tmp.1"})
        write_file(folder / name, "");
    std::filesystem::create_directory(folder / "model.tmp.7");
    const std::size_t files = folder.files();
    remove_leftovers(folder / "model", folder / "checkpoint");
    remove_leftovers(folder / "model", "");
    remove_leftovers("", "");
    remove_leftovers(folder / "nowhere/model", folder / "nowhere/checkpoint");
    EXPECT_EQ(folder.files(), files);
}

TEST(Leftovers, GoWhenTheJobStarts) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", testing::walks(50, 20, 20), 20);
    write_file(folder / "model.tmp.4711", "half");
    write_file(folder / "checkpoint.0.tmp.4711", "half");
    ASSERT_EQ(testing::run_job(folder, {{"epochs", 1}, {"dim", 8}, {"members", 1}}).status, 0);
    EXPECT_FALSE(std::filesystem::exists(folder / "model.tmp.4711"));
    EXPECT_FALSE(std::filesystem::exists(folder / "checkpoint.0.tmp.4711"));
}

}  // namespace
}  // namespace seqrec::trainer
