// The one text that an id is, whatever a session's settings make of its type: DateStyle, TimeZone and the
// like decide how a date is written, and models know ids by their text. PostgreSQL code: may ereport.
#pragma once

#include <span>
#include <string_view>

#include "pg/boundary.hpp"

namespace seqrec {

/// Sets what decides how values are written, for the rest of a GUC nest level: ISO dates, UTC, the shortest
/// exact numbers.
/// 固定决定值的文本形式的设置（ISO 日期、UTC、最短精确数字），作用于当前 GUC 嵌套层。
void pin_text_settings();

/// Whether values of a type of PostgreSQL's own can be spelled in several ways, so that ids have to be
/// brought to the one that the model knows.
/// 该内置类型的值是否有多种写法，需统一为模型所知的写法。
bool has_other_spellings(Oid type);

/// Whether the session's settings decide which value of a type a text is: days of dates, say.
/// 文本表示该类型的哪个值是否取决于会话设置（例如日期）。
bool reading_needs_settings(Oid type);

/// Whether whole numbers are ids of a column as they are written: as of integers, and of what is its own text.
/// 整数是否原样即为该列的 id：整数列，以及以自身文本为 id 的列。
bool numbers_are_ids(Oid type);

/// Brings ids to the spelling that the model knows, by the type of the column they were trained from; 0, or
/// what is no value of the type, stays as it is. Read with the caller's settings, as any literal is.
/// 按训练列的类型将 id 统一为模型所知的写法；类型为 0 或不是该类型的值则保持不变。按调用者的设置读取。
void canonicalize(std::span<std::string_view> ids, Oid type);

}  // namespace seqrec
