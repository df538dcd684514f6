// Ids out of SQL arguments, which are of the type seqrec.id (id_type.hpp) or text, the same bytes, or arrays of whole numbers
// (number_ids.hpp). PostgreSQL code: may ereport.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/recommend.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/jsonb.h"
}

namespace seqrec {

/// Ids in palloc'd memory.
/// palloc 内存中的一组 id。
struct IdArray {
    std::string_view* ids;
    int count;

    std::span<const std::string_view> view() const { return {ids, static_cast<std::size_t>(count)}; }
    std::span<std::string_view> view() { return {ids, static_cast<std::size_t>(count)}; }
};

/// The bytes of a text or a seqrec.id.
/// text 或 seqrec.id 的字节。
std::string_view text_id(Datum value);
enum class Nulls : std::uint8_t { LeftOut, Kept };
/// An array of ids as it is given, flat, in its own memory where that is possible; `array` is null for none. A variable of PL/pgSQL is
/// an expanded array: what it would be flattened to is made with it, never changes, and goes with its memory, `lasts`. So until that
/// ends the same address is the same array, and a loop that asks with a million ids compares a pointer. Null for any other array.
/// 原样给出的 id 数组（扁平，尽可能位于其自身内存）；未给出时 array 为空。PL/pgSQL 变量是展开数组，其扁平形式随之建立、从不改变，
/// 并随其内存 lasts 消失：在此之前，同一地址即同一数组。其他数组的 lasts 为空。
struct GivenArray {
    const ArrayType* array;
    MemoryContext lasts;
};
/// One of one dimension; ERROR when there are more than `limit`.
/// 一维数组；超过 limit 个则报错。
GivenArray given_array(Datum array, const char* name, int limit);
/// The elements of a one-dimensional array; ERROR when there are more than `limit`. `name` is the argument's.
/// A NULL among them is left out, or kept as a default string_view.
/// 一维数组的元素；超过 limit 个则报错。NULL 元素被略去，或以默认 string_view 保留。
IdArray id_array(Datum array, const char* name, int limit, Nulls nulls = Nulls::LeftOut);
/// ERROR where more of a name are given than may be.
/// 给出的个数超过 limit 时报错。
void check_count(int count, const char* name, int limit);
/// The elements of a given_array(), without NULLs.
/// given_array() 的非 NULL 元素。
IdArray ids_of(const ArrayType* array, Nulls nulls = Nulls::LeftOut);

inline constexpr int kMostItems = 10000;        ///< k; a longer list is a ranking of the catalogue
inline constexpr int kMostClicks = 100000;      ///< only the last max_len count
inline constexpr int kMostGivenIds = 10000000;  ///< of exclude, candidates and lists to be scored

/// Who asks, from SQL; clicks that are not given are the user's own latest rows (history.hpp).
/// SQL 参数中的请求者；未给出的点击即该用户自己的最新记录。
struct SqlAsker {
    std::string_view user;
    IdArray clicks;
    bool clicks_given;
    Jsonb* context;      // an object (context.hpp), or null
    ErrorData* problem;  // why the history could not be read, see try_missing_clicks()
    int k;               // how many items; 0: as many as the wish says

    bool wants_history() const { return !clicks_given && user.data(); }
};

/// Arguments 0 and 1: user and clicks; argument `context`: the context.
/// 读取前两个参数（用户与点击）以及序号为 context 的参数（情境）。
SqlAsker read_asker(FunctionCallInfo fcinfo, int context);

/// What is wanted, from SQL.
/// SQL 参数中的请求内容。
struct Wish {
    int k;
    std::string_view model;
    IdArray exclude;
    GivenArray candidates;
    std::optional<bool> exclude_seen;  // NULL: as the model was trained
    float min_score, min_probability, diversity;
    bool wants_probability;  // whether min_probability was given

    /// The same for core/, with what the session's settings say.
    /// 转换为 core 的请求，并带上会话设置。
    Request request() const;
};

/// How many arguments read_wish() reads.
/// read_wish() 读取的参数个数。
inline constexpr int kWishes = 8;
/// Arguments from `first` on: k, model, exclude, exclude_seen, candidates, min_score, min_probability, diversity.
/// 依次读取参数：k、model、exclude、exclude_seen、candidates、min_score、min_probability、diversity。
Wish read_wish(FunctionCallInfo fcinfo, int first);
/// Arguments `first` to `first + 4`: the same without exclude_seen, min_probability and diversity, which are of users.
/// 依次读取五个参数：同上，但没有针对用户的 exclude_seen、min_probability 与 diversity。
Wish read_item_wish(FunctionCallInfo fcinfo, int first);

/// ERROR unless it is 1 to kMostItems.
/// 检查 k 是否在 1 到 kMostItems 之间。
int checked_k(int k);
/// k from argument `number`; ERROR unless it is 1 to kMostItems.
/// 读取并检查 k。
int read_k(FunctionCallInfo fcinfo, int number);
/// diversity from argument `number`; ERROR unless it is 0 to 1, or NULL for 0.
/// 读取并检查 diversity：0 到 1，NULL 即 0。
float read_diversity(FunctionCallInfo fcinfo, int number);
/// The model's name from argument `number`.
/// 读取模型名。
std::string_view read_model(FunctionCallInfo fcinfo, int number);

}  // namespace seqrec
