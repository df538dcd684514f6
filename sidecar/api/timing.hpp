#pragma once

#include <chrono>
#include <string>

#include "db/query.hpp"

namespace seqrec::sidecar {

/// The value of a Server-Timing header: how long the query waited and ran, and all of it since `begun`.
/// Server-Timing 头的值：查询等待与执行的时间，以及自 begun 起的总时间。
std::string server_timing(const Timing& timing, std::chrono::steady_clock::time_point begun);

}  // namespace seqrec::sidecar
