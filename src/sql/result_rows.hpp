// Rows and values out of answers. PostgreSQL code: may ereport.
#pragma once

#include <span>
#include <string_view>

#include "core/files/snapshot.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "nodes/execnodes.h"
}

namespace seqrec {

/// The id at an index as a text; ERROR when the snapshot turns out to be damaged.
/// 下标处的 id；快照损坏则报错。
Datum indexed_id(const IdIndex& ids, std::int32_t index);
/// An id as a text.
/// id 的 text 值。
Datum id_datum(std::string_view id);
/// real[] of the values.
/// 由数值构造 real[]。
Datum reals_datum(std::span<const float> values);

/// Begins a result of rows.
/// 开始输出结果行。
ReturnSetInfo* begin_rows(FunctionCallInfo fcinfo);

/// A function's whole result as rows (rank, item id, score).
/// 以 (名次, 物品, 得分) 行返回整个结果。
void put_ranked(FunctionCallInfo fcinfo, const Snapshot& snapshot, std::span<const ScoredItem> items);

}  // namespace seqrec
