#include "core/files/spool_column.hpp"

#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.hpp"

namespace seqrec {
namespace {

[[noreturn]] void fail(const char* what) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    throw Error(full ? sqlstate::kDiskFull : sqlstate::kIo,
                std::string("could not ") + what + " a temporary file: " + std::strerror(errno),
                full ? "Free some disk space and try again." : "");
}

}  // namespace

SpoolColumn::SpoolColumn(const std::string& folder) {
    std::string path = folder + "/spool.XXXXXX";
    const int descriptor = ::mkstemp(path.data());
    if (descriptor < 0) fail("create");
    ::unlink(path.c_str());
    file_.reset(::fdopen(descriptor, "w+b"));
    if (!file_) fail("open");
    std::setvbuf(file_.get(), nullptr, _IONBF, 0);  // the buffer is this object's own
}

void SpoolColumn::write(const void* data, std::size_t size) {
    if (size != 0 && std::fwrite(data, size, 1, file_.get()) != 1) fail("write");
    written_ += size;
}

void SpoolColumn::flush() {
    write(buffer_.data(), used_);
    used_ = 0;
}

void SpoolColumn::append(const void* data, std::size_t size) {
    if (used_ + size > buffer_.size()) flush();
    if (size > buffer_.size()) return write(data, size);
    if (size != 0) std::memcpy(buffer_.data() + used_, data, size);
    used_ += size;
}

void SpoolColumn::copy_to(std::span<std::byte> target) {
    flush();
    std::rewind(file_.get());
    if (!target.empty() && std::fread(target.data(), target.size(), 1, file_.get()) != 1) fail("read");
}

void SpoolColumn::copy_part(std::size_t start, std::span<std::byte> target) {
    if (used_ > 0) flush();
    while (!target.empty()) {
        const ssize_t got =
            ::pread(::fileno(file_.get()), target.data(), target.size(), static_cast<off_t>(start));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) fail("read");
        target = target.subspan(static_cast<std::size_t>(got));
        start += static_cast<std::size_t>(got);
    }
}

}  // namespace seqrec
