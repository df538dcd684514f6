// The note beside a snapshot file that says: a process of this server has read every byte of it and found it
// whole. A file is read whole once after the server's start, and again when it was changed. C++ code.
#pragma once

#include <string>

#include "core/files/mapped_file.hpp"

namespace seqrec {

/// A stamp's name is the snapshot's with this behind it.
/// 校验标记的文件名为快照文件名加此后缀。
inline constexpr const char* kStampSuffix = ".verified";
/// And that of the note why it could not be built (snapshot_failure.hpp).
/// 无法构建时所留说明的后缀。
inline constexpr const char* kFailureSuffix = ".failed";

/// Whether the snapshot at `path`, in this state, has been verified since the server started.
/// path 处处于该状态的快照自服务器启动以来是否已校验。
bool has_stamp(const std::string& path, const FileState& state);
/// Notes that it has; where the folder can't be written, every process verifies for itself.
/// 记下已校验；目录不可写时，每个进程自行校验。
void leave_stamp(const std::string& path, const FileState& state);

/// Makes a small file whole or not at all; never in another server's folder.
/// 完整写出一个小文件，否则不留下任何内容；绝不写入其他服务器的目录。
void leave_file(const std::string& path, const std::string& text);

}  // namespace seqrec
