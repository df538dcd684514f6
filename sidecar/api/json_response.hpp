#pragma once

#include <nlohmann/json.hpp>

#include "http/message.hpp"

namespace seqrec::sidecar {

/// An answer with this body; bytes that are not UTF-8 are replaced.
/// 以该 JSON 为正文的应答；非 UTF-8 字节被替换。
Response json_response(const nlohmann::ordered_json& body, unsigned status = 200);

/// The same with JSON text as the database wrote it.
/// 同上，正文为数据库写出的 JSON 文本。
Response json_response(std::string body);

}  // namespace seqrec::sidecar
