// Small pieces of HTTP that need no connection: rendering, names of media types, request ids.
#pragma once

#include <string>
#include <string_view>

#include "http/message.hpp"

namespace seqrec::sidecar {

/// The whole response as bytes; `keep_alive` decides the Connection header, `head` leaves the body out.
/// 完整应答的字节；keep_alive 决定 Connection 头，head 表示省略正文。
std::string render(const Response& response, const std::string& request_id, bool keep_alive, bool head);

/// Whether a Content-Type is JSON in UTF-8: application/json or application/*+json.
/// Content-Type 是否为 UTF-8 编码的 JSON。
bool is_json(std::string_view content_type);

/// Whether an Accept-Encoding header takes gzip.
/// Accept-Encoding 是否接受 gzip。
bool accepts_gzip(std::string_view accept_encoding);

/// Whether an If-None-Match header names the validator, which holds no comma; compared weakly, as the method
/// of that header is.
/// If-None-Match 是否包含该（不含逗号的）校验值；按该头部的规定作弱比较。
bool names_etag(std::string_view if_none_match, std::string_view etag);

/// The client's request id when it is 1 to 128 visible ASCII characters, so that it may stand in a header and
/// in a log; else a new one.
/// 客户端的请求标识为 1 至 128 个可见 ASCII 字符时沿用（可安全写入头部与日志），否则生成新的。
std::string choose_request_id(std::string_view given);

}  // namespace seqrec::sidecar
