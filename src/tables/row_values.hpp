// From a row's values to ids and times, for whoever reads interactions. PostgreSQL code: may ereport.
#pragma once

#include "core/files/id_map.hpp"

#include "tables/source_table.hpp"

namespace seqrec {

/// The row's id; long text lies in the row's memory.
/// 行中的 id；长文本位于该行的内存中。
Id id_of(const Column& column, Datum value);
/// Seconds since 1970, or the number itself; infinite for a time that is not finite.
/// 自 1970 年起的秒数或数值本身；非有限时间为无穷大。
double time_seconds(const Column& column, Datum value);

}  // namespace seqrec
