#include "http/socket_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace seqrec::sidecar {
namespace {

constexpr std::string_view kSocketNote = "seqrec-http listens on ";

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// What is noted of the file at a path: which one it is. Empty where there is none.
std::string note_of(const std::string& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return {};
        fail(path);
    }
    if (!S_ISSOCK(status.st_mode)) return "no socket";
    return std::string(kSocketNote) + std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) +
           "\n";
}

/// Whether anybody listens there, or may: numbers of files are used again, so that a note alone does not tell.
bool is_alive(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return true;
    std::memcpy(address.sun_path, path.data(), path.size());
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) fail(path);
    const bool refused = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
                         errno == ECONNREFUSED;
    close(probe);
    return !refused;
}

}  // namespace

SocketFile::Lock::Lock(const std::string& path) {
    do {  // until it is the file at the path: its last holder removed it, perhaps after it was opened here
        open(path);
        if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
            close(file_);
            throw std::runtime_error("another process holds " + path + ": it listens there");
        }
    } while (!is_at(path));
}

SocketFile::Lock::~Lock() { close(file_); }

void SocketFile::Lock::open(const std::string& path) {
    if (file_ >= 0) close(file_);
    constexpr int kHow = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;  // else a pipe there is waited for
    file_ = ::open(path.c_str(), kHow | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
    is_new_ = file_ >= 0;
    if (!is_new_ && errno == EEXIST) file_ = ::open(path.c_str(), kHow | O_CREAT, S_IRUSR | S_IWUSR);
    struct stat status {};
    if (file_ < 0 || fstat(file_, &status) != 0) fail(path);
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
        close(std::exchange(file_, -1));
        throw std::runtime_error(path + " is no file of this user's: choose another path for the socket");
    }
}

bool SocketFile::Lock::is_at(const std::string& path) const {
    struct stat own {
    }, there{};
    return fstat(file_, &own) == 0 && lstat(path.c_str(), &there) == 0 && own.st_dev == there.st_dev &&
           own.st_ino == there.st_ino;
}

std::string SocketFile::Lock::text() const {
    std::array<char, 128> text{};
    const auto size = pread(file_, text.data(), text.size(), 0);
    return {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

void SocketFile::Lock::write(const std::string& text) const {
    if (ftruncate(file_, 0) != 0 || pwrite(file_, text.data(), text.size(), 0) < 0)
        fail("lock of the socket");
}

void SocketFile::Lock::remove(const std::string& path) const {
    if (is_at(path)) unlink(path.c_str());
}

SocketFile::SocketFile(std::string path)
    : path_(std::move(path)), lock_path_(path_ + ".lock"), lock_(lock_path_) {
    const auto noted = lock_.text();
    if (!noted.empty() && !noted.starts_with(kSocketNote))
        throw std::runtime_error(lock_path_ + " is not seqrec-http's: choose another path for the socket");
    if (!note_of(path_).empty()) {
        if (!is_ours(noted)) {
            if (lock_.is_new()) lock_.remove(lock_path_);
            throw std::runtime_error(path_ +
                                     " is there, and not a socket that seqrec-http left behind: "
                                     "remove it, or choose another path");
        }
        if (unlink(path_.c_str()) != 0) fail(path_);
    }
    lock_.write(std::string(kSocketNote));  // whoever dies before note_bound() leaves this
}

bool SocketFile::is_ours(const std::string& noted) const {
    return (noted == note_of(path_) || noted == kSocketNote) && !is_alive(path_);
}

SocketFile::~SocketFile() {
    const auto noted = lock_.text();
    if (!noted.empty() && noted == note_of(path_)) unlink(path_.c_str());
    lock_.remove(lock_path_);
}

void SocketFile::note_bound() { lock_.write(note_of(path_)); }

}  // namespace seqrec::sidecar
