// Files mapped into memory: what is there before commit, and what is left after a failure.
#include "core/files/mapped_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using testing::read_file;
using testing::TempFolder;
using testing::write_file;

std::string_view text_of(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void write_text(const NewFile& file, std::string_view text) {
    std::memcpy(file.bytes().data(), text.data(), text.size());
}

TEST(MappedFile, ShowsTheWholeFile) {
    const TempFolder folder;
    write_file(folder / "file", "hello");
    const MappedFile file(folder / "file");
    EXPECT_EQ(text_of(file), "hello");
    EXPECT_EQ(file.state(), FileState::of((folder / "file").c_str()));
    file.read_ahead();
    file.populate(0, 5);
    file.populate(3, 2);
}

TEST(MappedFile, MayBeEmpty) {
    const TempFolder folder;
    write_file(folder / "file", "");
    const MappedFile file(folder / "file");
    EXPECT_EQ(file.bytes().size(), 0U);
    file.read_ahead();
    file.populate(0, 0);
}

TEST(MappedFile, StaysWhatItWasWhenTheFileIsReplaced) {
    const TempFolder folder;
    write_file(folder / "file", "old");
    const MappedFile file(folder / "file");
    write_file(folder / "other", "another");
    std::filesystem::rename(folder / "other", folder / "file");
    EXPECT_EQ(text_of(file), "old");
    EXPECT_NE(file.state(), FileState::of((folder / "file").c_str()));
    std::filesystem::remove(folder / "file");
    EXPECT_EQ(text_of(file), "old");
    EXPECT_FALSE(FileState::of((folder / "file").c_str()));
}

TEST(MappedFile, MovesWithWhatItShows) {
    const TempFolder folder;
    write_file(folder / "file", "hello");
    write_file(folder / "other", "world!");
    MappedFile file(folder / "file"), other(folder / "other");
    MappedFile moved(std::move(file));
    EXPECT_EQ(text_of(moved), "hello");
    other = std::move(moved);
    EXPECT_EQ(text_of(other), "hello");
}

/// A folder is refused, and nobody waits for somebody to write into a pipe.
TEST(MappedFile, WhatIsNoPlainFileIsRefused) {
    const TempFolder folder;
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    for (const std::string& path : {folder / "pipe", folder / ""}) {
        std::string message;
        EXPECT_EQ(error_of([&] { MappedFile{path}; }, &message), sqlstate::kIo) << path;
        EXPECT_NE(message.find("no plain file"), std::string::npos) << message;
    }
}

TEST(MappedFile, WhatCannotBeReadIsNamed) {
    const TempFolder folder;
    std::string message;
    EXPECT_EQ(error_of([&] { MappedFile(folder / "nowhere"); }, &message), sqlstate::kIo);
    EXPECT_NE(message.find(folder / "nowhere"), std::string::npos) << message;
    EXPECT_EQ(error_of([&] { MappedFile(folder / ""); }), sqlstate::kIo) << "a folder";
}

/// Where touching the bytes would be a signal that ends the process.
TEST(MappedFile, AFileThatWasCutIsAnError) {
    const TempFolder folder;
    write_file(folder / "file", std::string(3 << 16, 'x'));
    const MappedFile file(folder / "file");
    ASSERT_EQ(::truncate((folder / "file").c_str(), 1 << 16), 0);
    EXPECT_EQ(error_of([&] { file.populate(0, 1 << 16); }), "");
    EXPECT_EQ(error_of([&] { file.populate(2 << 16, 1 << 16); }), sqlstate::kDataCorrupted);
}

TEST(NewFile, IsThereOnlyOnceItIsCommitted) {
    const TempFolder folder;
    {
        NewFile file(folder / "file", 5);
        EXPECT_TRUE(std::ranges::all_of(file.bytes(), [](std::byte byte) { return byte == std::byte{}; }));
        write_text(file, "hello");
        EXPECT_FALSE(std::filesystem::exists(folder / "file"));
        EXPECT_EQ(folder.files(), 1U);  // under a temporary name
        const FileState state = file.commit();
        EXPECT_EQ(state, FileState::of((folder / "file").c_str()));
    }
    EXPECT_EQ(read_file(folder / "file"), "hello");
    EXPECT_EQ(folder.files(), 1U);
}

TEST(NewFile, LeavesTheOldOneUntilThen) {
    const TempFolder folder;
    write_file(folder / "file", "old");
    {
        const NewFile abandoned(folder / "file", 3);
        write_text(abandoned, "new");
    }
    EXPECT_EQ(read_file(folder / "file"), "old");
    EXPECT_EQ(folder.files(), 1U);
    NewFile file(folder / "file", 3);
    write_text(file, "new");
    file.commit();
    EXPECT_EQ(read_file(folder / "file"), "new");
}

TEST(NewFile, MovesWithItsName) {
    const TempFolder folder;
    NewFile kept(folder / "b", 1);
    {
        NewFile first(folder / "a", 1);
        write_text(first, "1");
        kept = std::move(first);
    }
    EXPECT_EQ(folder.files(), 1U);  // b was given up
    NewFile moved(std::move(kept));
    moved.commit();
    EXPECT_EQ(read_file(folder / "a"), "1");
    EXPECT_EQ(folder.files(), 1U);
}

TEST(NewFile, NoPlaceIsAnErrorThatLeavesNothing) {
    const TempFolder folder;
    EXPECT_EQ(error_of([&] { NewFile(folder / "nowhere/file", 5); }), sqlstate::kIo);
    EXPECT_EQ(error_of([&] { NewFile(folder / "file", std::size_t{1} << 62); }).substr(0, 1), "5");
    EXPECT_EQ(folder.files(), 0U);
}

TEST(FileState, ChangesWithEveryWayToChangeAFile) {
    const TempFolder folder;
    const std::string path = folder / "file";
    write_file(path, "hello");
    const auto first = FileState::of(path.c_str());
    ASSERT_TRUE(first);
    EXPECT_EQ(first->size, 5);
    EXPECT_EQ(FileState::of(path.c_str()), first);
    ::usleep(20000);  // a tick of the file system's clock
    write_file(path, "world");
    const auto rewritten = FileState::of(path.c_str());
    EXPECT_NE(rewritten, first);
    ::usleep(20000);
    std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) - std::chrono::hours(1));
    EXPECT_NE(FileState::of(path.c_str())->changed_ns, rewritten->changed_ns) << "nobody can set it back";
}

}  // namespace
}  // namespace seqrec
