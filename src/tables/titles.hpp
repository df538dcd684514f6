// Titles of items, from a table of somebody's own, with the caller's rights and never more. PostgreSQL code: may ereport.
#pragma once

#include <span>
#include <string_view>

#include "tables/source_table.hpp"

namespace seqrec {

/// Where titles are. A table that the caller named is read as any SELECT of the caller's; the model's own table of items, which
/// whoever trained the model chose, only where that runs no code but of roles that may act as the caller anyway.
/// 标题所在。调用者指定的表如同其自己的 SELECT；模型自己的物品表由训练者选定，仅当不会运行他人代码时才读取。
struct TitlesTable {
    Oid relation;  ///< 0: there are no titles
    const char *id_column, *title_column;
    bool is_callers;
};

struct Title {
    std::string_view id, title;
};

/// The titles of items, as far as there are any and the caller may read them: one query for all ids; of several titles of one item
/// the least. Palloc'd. ERROR 42703 for a column that the caller named and that is not there.
/// 物品标题：仅限存在且调用者可读者；所有 id 一次查询，一个物品有多个标题时取最小者。调用者指定的列不存在则报错 42703。
std::span<const Title> read_titles(const TitlesTable& where, std::span<const std::string_view> ids);

}  // namespace seqrec
