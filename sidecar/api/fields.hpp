// Fields of requests, in a JSON body or in the query part: from text to checked values. Every refusal is a
// Problem 400 that names the field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace seqrec::sidecar {

inline constexpr std::size_t kMaxIdBytes = 512;

[[noreturn]] void refuse_field(const std::string& field, const std::string& why);
[[noreturn]] void refuse_unknown_field(const std::string& field);

/// Reads a body that must be a JSON object, while watching depth and repeated names (of two equal names other
/// readers may take the other one). Throws Problem 400.
/// 解析必须为 JSON 对象的正文，并检查嵌套深度与重复字段名。出错时抛出 Problem 400。
nlohmann::json parse_object(std::string_view body);

/// An id given as a string of 1 to kMaxIdBytes bytes or as a whole number, as text.
/// 字符串或整数形式的标识，以文本返回。
std::string id_text(const nlohmann::json& value, const std::string& field);
/// The same for text.
/// 同上，用于文本。
std::string id_text(std::string text, const std::string& field);
/// An array of at most `limit` ids.
/// 至多 limit 个标识的数组。
std::vector<std::string> id_list(const nlohmann::json& value, const std::string& field, std::size_t limit);
/// A string that is an id.
/// 必须为字符串的名称。
std::string name_text(const nlohmann::json& value, const std::string& field);
bool boolean(const nlohmann::json& value, const std::string& field);
double number(const nlohmann::json& value, const std::string& field);
std::int64_t whole_number(const nlohmann::json& value, const std::string& field, std::int64_t low,
                          std::int64_t high);

/// A whole number above zero in the path; anything else names nothing, and is a Problem 404 of this kind.
/// 路径中的正整数；其他取值不对应任何对象，抛出该类型的 Problem 404。
std::int64_t number_in_path(const Request& request, const std::string& name, const char* kind,
                            const char* detail);

/// Refuses parameters of other names, and one of `names` given twice.
/// 拒绝其他名称的参数，以及 names 中重复给出的名称。
void expect_parameters(const Parameters& parameters, std::initializer_list<std::string_view> names,
                       std::initializer_list<std::string_view> repeatable = {});
/// A parameter's whole number; `fallback` when it is not there.
/// 整数参数；未给出时为 fallback。
std::int64_t whole_number(const Parameters& parameters, const std::string& name, std::int64_t low,
                          std::int64_t high, std::int64_t fallback);
/// A parameter's number; nothing when it is not there.
/// 数值参数；未给出时为空。
std::optional<double> number(const Parameters& parameters, const std::string& name);
/// All ids of a parameter; nothing when it is not there.
/// 某参数的全部标识；未给出时为空。
std::optional<std::vector<std::string>> id_list(const Parameters& parameters, const std::string& name);
/// A parameter's id; nothing when it is not there.
/// 标识参数；未给出时为空。
std::optional<std::string> id_text(const Parameters& parameters, const std::string& name);

}  // namespace seqrec::sidecar
