// Bytes under a path, without a disk: for tests that open thousands of damaged files.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace seqrec::testing {

/// A file in memory that goes away with its object.
/// 随对象一同消失的内存文件。
class MemoryFile {
  public:
    explicit MemoryFile(std::span<const char> bytes) : descriptor_(memfd_create("seqrec-test", MFD_CLOEXEC)) {
        if (descriptor_ < 0) throw std::runtime_error("could not create a file in memory");
        if (::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
            ::close(descriptor_);
            throw std::runtime_error("could not fill a file in memory");
        }
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() { ::close(descriptor_); }

    std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

  private:
    int descriptor_;
};

}  // namespace seqrec::testing
