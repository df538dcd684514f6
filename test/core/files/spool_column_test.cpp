#include "core/files/spool_column.hpp"

#include <gtest/gtest.h>

#include <string>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::TempFolder;

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

}  // namespace
}  // namespace seqrec
