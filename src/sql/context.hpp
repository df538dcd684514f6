// What is known of a moment beyond clicks: the argument context of the functions that answer. PostgreSQL code:
// may ereport, but for parse_context().
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "sql/arguments.hpp"

namespace seqrec {

inline constexpr int kMostContextKeys = 64;
inline constexpr int kMostContextBytes = 65536;

/// The object of argument `number`, null for NULL. ERROR unless it is an object of a bearable size.
/// 序号为 number 的参数中的对象；NULL 返回空指针。不是对象或过大则报错。
Jsonb* read_context(FunctionCallInfo fcinfo, int number);
/// The same for many askers: an object that holds for all of them, or an array with one or null for each.
/// 多个请求者：对所有人有效的一个对象，或为每人各含一个对象或 null 的数组。
void read_contexts(FunctionCallInfo fcinfo, int number, std::span<SqlAsker> askers);
/// The same from an array of SQL, with one object or NULL for each.
/// 同上，来自 SQL 数组，每人一个对象或 NULL。
void read_context_array(FunctionCallInfo fcinfo, int number, std::span<SqlAsker> askers);

/// The object as core/ takes it, in UTF-8; none for null. C++: PostgresError, and Error (22023) when it holds a
/// number that is none.
/// core 所用形式（UTF-8）的对象；空指针返回空。属 C++ 代码，以异常报错。
std::optional<nlohmann::json> parse_context(Jsonb* context);
/// Where that object is, for Asker; null for none.
/// 供 Asker 使用的指针；没有则为空。
inline const nlohmann::json* pointer(const std::optional<nlohmann::json>& context) {
    return context ? &*context : nullptr;
}

}  // namespace seqrec
