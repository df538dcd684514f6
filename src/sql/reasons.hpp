// Reasons as sentences: titles, templates and language of a call. PostgreSQL code: may ereport.
#pragma once

#include <span>

#include "core/explain.hpp"

#include "serving/serving_model.hpp"
#include "sql/arguments.hpp"

namespace seqrec {

/// How reasons are to be worded, from SQL.
/// SQL 参数中对理由措辞的要求。
struct WordsWish {
    const char* language;  // null: lc_messages
    Oid titles;            // 0: the model's own table of items
    const char *id_column, *title_column;
};
/// How many arguments read_words_wish() reads: language, titles, title_id_column, title_column.
/// read_words_wish() 读取的参数个数。
inline constexpr int kWordsWishes = 4;
WordsWish read_words_wish(FunctionCallInfo fcinfo, int first);

/// An item and why, palloc'd: what reads titles may run a view that explains, too.
/// 物品及其理由，由 palloc 分配：读取标题可能运行同样会解释的视图。
struct Explained {
    std::int32_t item;
    Reason reason;
};

/// explain() of items for an asker whose clicks have been read.
/// 对已读取点击的请求者执行 explain()。
std::span<const Explained> explain_items(const ServingModel& model, const SqlAsker& asker,
                                         std::span<const std::int32_t> items);

/// A sentence for each, in the database's encoding.
/// 每个理由一句话，使用数据库编码。
const char** reason_texts(const ServingModel& model, const SqlAsker& asker,
                          std::span<const Explained> explained, const WordsWish& wish);

}  // namespace seqrec
