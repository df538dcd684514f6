#pragma once

#include <functional>

#include "config.hpp"
#include "counters.hpp"
#include "db/pool.hpp"

namespace seqrec::sidecar {

/// What handlers work with; all of it outlives the router.
/// 处理函数所用的服务，生存期均长于 Router。
struct Services {
    const Config& config;
    Pool& pool;          // reads, in read-only transactions
    Pool& writing_pool;  // opened when the first query needs it
    Counters& counters;
    std::function<bool()> is_draining;
};

}  // namespace seqrec::sidecar
