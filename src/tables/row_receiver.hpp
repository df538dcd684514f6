// Streams the rows of a query into a callback without keeping any. PostgreSQL code: may ereport.
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "executor/spi.h"
#include "executor/tuptable.h"
}

namespace seqrec {

using RowFunction = void (*)(TupleTableSlot* slot, void* state);

/// Runs a query, or a plan, read-only inside SPI and calls `row` for each row, all columns deformed. The
/// callback runs in a memory context that is emptied after every row.
/// 在 SPI 中运行只读查询，逐行调用 row；回调所用的内存上下文每行清空一次。
void for_each_row(const char* sql, ParamListInfo params, RowFunction row, void* state);
void for_each_row(SPIPlanPtr plan, ParamListInfo params, RowFunction row, void* state);

}  // namespace seqrec
