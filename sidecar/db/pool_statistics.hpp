#pragma once

#include <cstdint>

#include "histogram.hpp"

namespace seqrec::sidecar {

/// What a pool has counted since it began.
/// 连接池自启动以来的计数。
struct PoolStatistics {
    Histogram query_seconds{kSecondsBounds};  // from sending a query to its answer
    Histogram batch_sizes{kCountBounds};      // joinable queries sent as one
    std::uint64_t reconnects = 0;             // connections opened in place of lost or old ones
    std::uint64_t lost = 0;                   // connections that broke
    std::uint64_t connect_failures = 0;
    std::uint64_t timeouts = 0;     // queries that met their deadline
    std::uint64_t turned_away = 0;  // queries that found the queue full
    std::uint64_t unavailable = 0;  // queries that found no database
};

/// A pool's connections and queries as they are now.
/// 连接池当前的连接与查询状况。
struct PoolState {
    std::size_t size = 0;
    std::size_t open = 0;
    std::size_t available = 0;  // open and idle
    std::size_t in_flight = 0;
    std::size_t waiting = 0;
};

}  // namespace seqrec::sidecar
