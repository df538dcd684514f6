#include "serving/snapshot_stamp.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "pg/boundary.hpp"
#include "pg/data_folder.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace seqrec {
namespace {

/// A whole stamp as text: one fits when it is these bytes.
std::string stamp(const FileState& state) {
    std::string text = "seqrec-verified/1 server " + std::to_string(PgStartTime);
    for (const auto part : {state.device, state.inode}) text += " " + std::to_string(part);
    for (const auto part : {state.size, state.modified_ns, state.changed_ns})
        text += " " + std::to_string(part);
    return text + "\n";
}

bool write_note(const std::string& path, const std::string& text) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return false;
    const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    return close(file) == 0 && written;
}

}  // namespace

bool has_stamp(const std::string& path, const FileState& state) {
    const std::string wanted = stamp(state);
    std::string found(wanted.size() + 1, '\0');
    const int file = open((path + kStampSuffix).c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    const ssize_t size = read(file, found.data(), found.size());
    close(file);
    return size == static_cast<ssize_t>(wanted.size()) && found.starts_with(wanted);
}

void leave_stamp(const std::string& path, const FileState& state) {
    leave_file(path + kStampSuffix, stamp(state));
}

void leave_file(const std::string& path, const std::string& text) {
    if (postgres([&] { return owner_of_path(path.c_str()); })) return;
    const std::string temporary = path + ".tmp." + std::to_string(MyProcPid);
    if (!write_note(temporary, text) || rename(temporary.c_str(), path.c_str()) != 0)
        unlink(temporary.c_str());
}

}  // namespace seqrec
