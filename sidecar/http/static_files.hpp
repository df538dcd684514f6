// Answers made of embedded files: validators, compression, and the headers that keep a page to itself.
#pragma once

#include <string>
#include <string_view>

#include "http/message.hpp"

namespace seqrec::sidecar {

/// One file as it is served. `gzip` may be empty: then it is never compressed. `tag` names this content and
/// no other. A file whose path changes with its content is `forever`; any other is asked for again each time.
/// 供应答的静态文件。gzip 为空表示从不压缩；tag 唯一标识内容。路径随内容变化的文件设为 forever，
/// 其余每次重新验证。
struct StaticFile {
    std::string_view content_type, bytes, gzip, tag;
    bool forever = false;
};

/// The file, or 304 when the client has it already.
/// 返回文件；客户端已有时返回 304。
Response static_response(const StaticFile& file, const Request& request);

/// The media type that a name's ending stands for. Throws std::out_of_range for one that is not known.
/// 由文件扩展名得到媒体类型；未知扩展名抛出 std::out_of_range。
std::string_view content_type_of(std::string_view name);

}  // namespace seqrec::sidecar
