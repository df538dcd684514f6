// Rows and values out of answers. PostgreSQL code: may ereport.
#pragma once

#include <span>
#include <string_view>

#include "core/files/snapshot.hpp"

#include "pg/boundary.hpp"

namespace seqrec {

/// The id at an index as a text or bigint value; ERROR when the snapshot turns out to be damaged.
/// 下标处的 id；快照损坏则报错。
Datum indexed_id(const IdIndex& ids, std::int32_t index, Oid type);
/// An item's id as a value of `type`, text or bigint; ERROR when it is no bigint.
/// 物品 id 的 SQL 值（text 或 bigint）；不是 bigint 则报错。
Datum id_datum(std::string_view id, Oid type);
/// real[] of the values. 由数值构造 real[]。
Datum reals_datum(std::span<const float> values);

/// A function's whole result as rows (rank, item id, score). 以 (名次, 物品, 得分) 行返回整个结果。
void put_ranked(FunctionCallInfo fcinfo, const Snapshot& snapshot, std::span<const ScoredItem> items,
                Oid type);

}  // namespace seqrec
