// The body of POST /events: from bytes to a checked value.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace seqrec::sidecar {

inline constexpr std::size_t kMaxEvents = 1000;

/// The events as an array of objects with user_id and item_id as text, and a timestamp where one was given.
/// Throws Problem 400 naming the field that is wrong.
/// 由对象组成的事件数组：user_id 与 item_id 为文本，给出时带 timestamp。
/// 字段有误时抛出指明该字段的 Problem 400。
nlohmann::json parse_events_request(std::string_view body);

}  // namespace seqrec::sidecar
