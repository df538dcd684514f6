#include "core/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/error.hpp"

namespace seqrec {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path, int code) {
    const bool full = code == ENOSPC || code == EDQUOT;
    throw Error(full ? sqlstate::kDiskFull : sqlstate::kIo,
                what + " \"" + path + "\": " + std::strerror(code),
                full ? "Free some disk space and try again." : "");
}

/// A descriptor closed at the end of its scope. 作用域结束时关闭的描述符。
struct Descriptor {
    int value;
    ~Descriptor() {
        if (value >= 0) ::close(value);
    }
};

void sync_folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (directory.value >= 0) ::fsync(directory.value);
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.value < 0) fail("could not open file", path, errno);
    struct stat status;
    if (::fstat(file.value, &status) != 0) fail("could not read the size of file", path, errno);
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;
    address_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.value, 0);
    if (address_ == MAP_FAILED) {
        address_ = nullptr;
        fail("could not map file", path, errno);
    }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
}

MappedFile::~MappedFile() {
    if (address_) ::munmap(address_, size_);
}

NewFile::NewFile(const std::string& path, std::size_t size)
    : path_(path), temporary_(path + ".tmp." + std::to_string(::getpid())), size_(size) {
    descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor_ < 0) fail("could not create file", temporary_, errno);
    const int code = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size_));
    if (code != 0) {
        abandon();
        fail("could not reserve space for file", temporary_, code);
    }
    address_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
    if (address_ == MAP_FAILED) {
        const int reason = errno;
        address_ = nullptr;
        abandon();
        fail("could not map file", temporary_, reason);
    }
}

NewFile::NewFile(NewFile&& other) noexcept { *this = std::move(other); }

NewFile& NewFile::operator=(NewFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(temporary_, other.temporary_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
}

NewFile::~NewFile() { abandon(); }

void NewFile::commit(Durability durability) {
    const bool durable = durability == Durability::Durable;
    if (durable && (::msync(address_, size_, MS_SYNC) != 0 || ::fsync(descriptor_) != 0))
        fail("could not write file", temporary_, errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("could not rename file", temporary_, errno);
    temporary_.clear();
    abandon();
    if (durable) sync_folder_of(path_);
}

void NewFile::abandon() noexcept {
    if (address_) ::munmap(address_, size_);
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    address_ = nullptr;
    descriptor_ = -1;
    temporary_.clear();
}

}  // namespace seqrec
