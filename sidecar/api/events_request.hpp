// The body of POST /events: from bytes to a checked value.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace seqrec::sidecar {

inline constexpr std::size_t kMaxEvents = 1000;

/// The events as an array of objects with user_id and item_id as text, and a timestamp where one was given.
/// Throws Problem 400 naming the field that is wrong.
/// 由对象组成的事件数组：user_id 与 item_id 为文本，给出时带 timestamp。
/// 字段有误时抛出指明该字段的 Problem 400。
nlohmann::json parse_events_request(std::string_view body);

/// The value of the header Idempotency-Key, nothing where there is no such header. Throws Problem 400 where it is empty, too
/// long or not printable ASCII: a client that sends one relies on it.
/// 头部 Idempotency-Key 的值；没有该头部则为空。值为空、过长或含有非可打印 ASCII 字符时抛出 Problem 400：
/// 发送该头部的客户端依赖于它。
std::optional<std::string> idempotency_key(const Request& request);

}  // namespace seqrec::sidecar
