// Files that were built into the program; CMakeLists.txt names them, embed.cmake takes them in.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace seqrec::sidecar {

/// One file: its name, its bytes, the same compressed by gzip, and the SHA-256 of the bytes in hex.
/// 一个内嵌文件：名称、内容、gzip 压缩后的内容，以及内容的 SHA-256（十六进制）。
struct EmbeddedFile {
    std::string_view name, bytes, gzip, digest;
};

/// All of them.
/// 全部内嵌文件。
std::span<const EmbeddedFile> embedded_files();

/// The one of that name. Throws std::out_of_range, which is a fault of the build.
/// 指定名称的文件；不存在时抛出 std::out_of_range（属于构建错误）。
const EmbeddedFile& embedded_file(std::string_view name);

}  // namespace seqrec::sidecar
