#pragma once

#include "config.hpp"
#include "db/pool.hpp"

namespace seqrec::sidecar {

/// Looks once whether the tables and columns that the settings name are there, and logs a warning for each
/// that is not; waits for nothing.
/// 检查一次设置中的表和列是否存在，缺失时记录警告；不做任何等待。
void check_tables(Pool& pool, const Config& config);

}  // namespace seqrec::sidecar
