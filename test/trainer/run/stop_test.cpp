// What a signal does, in processes of their own.
#include "run/stop.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "files/tensor_file.hpp"
#include "testing.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;

/// Each process starts anew: the libraries' threads don't survive a fork.
class StopDeathTest : public ::testing::Test {
  protected:
    void SetUp() override { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(StopDeathTest, ASignalEndsTheProcessAtOnce) {
    for (const int signal : {SIGTERM, SIGINT})
        EXPECT_EXIT(
            {
                stop_on_signals();
                ::raise(signal);
                ::_exit(0);
            },
            ::testing::ExitedWithCode(128 + signal), "");
}

TEST_F(StopDeathTest, WhileAFileIsWrittenItIsAskedForFirst) {
    EXPECT_EXIT(
        {
            stop_on_signals();
            try {
                const WriteGuard guard;
                guard.check();  // nobody has asked yet
                ::raise(SIGTERM);
                guard.check();
            } catch (const Stopped&) {
                ::_exit(17);
            }
            ::_exit(0);
        },
        ::testing::ExitedWithCode(17), "");
}

/// Asked after the last check: the file is whole, and the process ends all the same.
TEST_F(StopDeathTest, WhoWasAskedTooLateEndsAfterwards) {
    EXPECT_EXIT(
        {
            stop_on_signals();
            {
                const WriteGuard guard;
                ::raise(SIGTERM);
            }
            ::_exit(0);
        },
        ::testing::ExitedWithCode(128 + SIGTERM), "");
}

/// Told to stop before the first tensor is written: how many files are then left, as an exit status of 17 and
/// more.
[[noreturn]] void stop_while_writing() {
    stop_on_signals();
    std::size_t left = 99;
    {
        const TempFolder folder;
        try {
            const WriteGuard guard;
            ::raise(SIGTERM);
            write_tensors(folder / "file", {}, {{"x", at::ones({4})}});
        } catch (const Stopped&) {
            left = folder.files();
        }
    }
    ::_exit(static_cast<int>(17 + left));
}

TEST_F(StopDeathTest, AFileInTheMakingIsNotLeftBehind) {
    EXPECT_EXIT(stop_while_writing(), ::testing::ExitedWithCode(17), "");
}

}  // namespace
}  // namespace seqrec::trainer
