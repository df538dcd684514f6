// The path of a Unix socket: freed of what a dead process left behind, and of nothing else.
#include "http/socket_file.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace seqrec::sidecar {
namespace {

namespace fs = std::filesystem;

class Sockets : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = fs::temp_directory_path() / "seqrec-socket-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder = pattern;
        path = folder / "http.sock";
    }
    void TearDown() override { fs::remove_all(folder); }

    /// A socket at the path, as another program makes it; nobody listens on it any more.
    void bind_at_path() const { ::close(bound_at_path()); }
    int bound_at_path() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path.c_str());
        const int file = ::socket(AF_UNIX, SOCK_STREAM, 0);
        EXPECT_EQ(::bind(file, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return file;
    }

    /// What a process leaves that dies without a word: its files, and no lock.
    void leave_behind() const {
        SocketFile own(path);
        bind_at_path();
        own.note_bound();
        fs::copy(lock(), folder / "noted");
        fs::create_hard_link(path, folder / "kept");  // the same file once more, out of its reach
    }
    void come_back() const {
        fs::rename(folder / "kept", path);
        fs::rename(folder / "noted", lock());
    }

    fs::path lock() const { return path.string() + ".lock"; }
    bool is_refused() const {
        try {
            const SocketFile file(path);
        } catch (const std::runtime_error&) {
            return true;
        }
        return false;
    }

    fs::path folder, path;
};

TEST_F(Sockets, LeaveNothing) {
    {
        SocketFile own(path);
        bind_at_path();
        own.note_bound();
    }
    EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(Sockets, AreOneProcessesAtATime) {
    std::optional<SocketFile> own(path);
    EXPECT_TRUE(is_refused());
    bind_at_path();
    own->note_bound();
    EXPECT_TRUE(is_refused());
    EXPECT_TRUE(fs::is_socket(path));
    own.reset();
    EXPECT_FALSE(is_refused());
}

TEST_F(Sockets, OfADeadProcessAreReplaced) {
    leave_behind();
    come_back();
    ASSERT_TRUE(fs::is_socket(path));
    const SocketFile next(path);
    EXPECT_FALSE(fs::exists(path));
}

TEST_F(Sockets, ThatAnybodyListensOnAreLeftAlone) {
    leave_behind();
    fs::remove(folder / "kept");
    fs::rename(folder / "noted", lock());
    const int file = bound_at_path();
    ASSERT_EQ(::listen(file, 1), 0);
    {  // that has the number of the one that died
        struct stat status {};
        ASSERT_EQ(lstat(path.c_str(), &status), 0);
        std::ofstream(lock()) << "seqrec-http listens on " << status.st_dev << ":" << status.st_ino << "\n";
    }
    EXPECT_TRUE(is_refused());
    EXPECT_TRUE(fs::is_socket(path));
    ::close(file);
    EXPECT_FALSE(is_refused());
}

TEST_F(Sockets, OfOneThatDiedBeforeItsNoteAreReplaced) {
    std::ofstream(lock()) << "seqrec-http listens on ";
    bind_at_path();
    EXPECT_FALSE(is_refused());
}

/// A lock that was there before, even an empty one, and what is no file at all.
TEST_F(Sockets, LocksOfOthersAreLeftAlone) {
    std::ofstream(lock()) << "";
    bind_at_path();
    EXPECT_TRUE(is_refused());
    EXPECT_TRUE(fs::exists(lock()));
    fs::remove(lock());
    ASSERT_EQ(mkfifo(lock().c_str(), 0600), 0);
    fs::remove(path);
    EXPECT_TRUE(is_refused());
    EXPECT_TRUE(fs::is_fifo(lock()));
    EXPECT_FALSE(fs::exists(path));
}

/// Not even a socket: it may be another program's, which is not running just now.
TEST_F(Sockets, OfOthersAreLeftAlone) {
    bind_at_path();
    EXPECT_TRUE(is_refused());
    EXPECT_TRUE(fs::is_socket(path));
    EXPECT_TRUE(is_refused()) << "an attempt must not make it ours";
    EXPECT_TRUE(fs::is_socket(path));
    EXPECT_FALSE(fs::exists(lock()));
}

TEST_F(Sockets, ThatTookTheirPlaceAreLeftAlone) {
    leave_behind();
    fs::rename(folder / "noted", lock());
    bind_at_path();  // while "kept" has the number of the file that is noted
    EXPECT_TRUE(is_refused());
    EXPECT_TRUE(fs::is_socket(path));
    fs::remove(path);
    {
        SocketFile own(path);
        bind_at_path();
        own.note_bound();
        fs::rename(path, folder / "moved");
        bind_at_path();
    }
    EXPECT_TRUE(fs::is_socket(path)) << "somebody else's, by now";
}

TEST_F(Sockets, FilesAreLeftAlone) {
    std::ofstream(path) << "precious";
    EXPECT_TRUE(is_refused());
    EXPECT_EQ(fs::file_size(path), 8U);
    fs::remove(path);
    fs::create_symlink(folder / "elsewhere", path);
    EXPECT_TRUE(is_refused());
    EXPECT_TRUE(fs::is_symlink(path));
    fs::remove(path);
    std::ofstream(lock()) << "precious";
    EXPECT_TRUE(is_refused());
    EXPECT_EQ(fs::file_size(lock()), 8U);
}

}  // namespace
}  // namespace seqrec::sidecar
