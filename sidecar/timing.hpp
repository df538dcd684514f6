#pragma once

#include <chrono>

namespace seqrec::sidecar {

/// Where a query's time went: before it was sent, and until its reply.
/// 查询的耗时：发送之前与等待结果。
struct Timing {
    std::chrono::nanoseconds waited{0}, answered{0};
};

}  // namespace seqrec::sidecar
