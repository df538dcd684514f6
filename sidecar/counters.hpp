// What this process counts. One event loop writes and reads it: plain numbers, no locks.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "histogram.hpp"

namespace seqrec::sidecar {

struct Route;

/// The requests of one route; `route` is null for those that found none.
/// 一个路由的请求统计；未匹配任何路由的请求 route 为空。
struct RouteCounts {
    const Route* route = nullptr;
    std::vector<std::pair<unsigned, std::uint64_t>> by_status;
    std::array<std::optional<Histogram>, 6> seconds_by_class;  // 2 for 200 to 299, and so on
};

/// Counters of requests and of what they were answered with.
/// 请求及其应答的计数器。
class Counters {
  public:
    /// A request that was answered, with any status.
    /// 一个已应答的请求（任意状态码）。
    void record_request(const Route* route, unsigned status, std::chrono::duration<double> took);

    /// An answer that is not personal, for want of anything known.
    /// 因一无所知而给出的非个性化应答。
    void record_fallback() { ++fallbacks_; }
    /// An asker whose own rows could not be read.
    /// 一个无法读取其自身记录的请求者。
    void record_history_unavailable() { ++histories_unavailable_; }
    /// Clicks that the model does not know.
    /// 模型不认识的点击数。
    void record_unknown_ids(std::size_t count) { unknown_ids_ += count; }

    void begin_request() { ++in_flight_; }
    void end_request() { --in_flight_; }

    const std::deque<RouteCounts>& requests() const { return requests_; }
    std::uint64_t fallbacks() const { return fallbacks_; }
    std::uint64_t histories_unavailable() const { return histories_unavailable_; }
    std::uint64_t unknown_ids() const { return unknown_ids_; }
    int in_flight() const { return in_flight_; }

  private:
    RouteCounts& counts_of(const Route* route);

    std::deque<RouteCounts> requests_;  // as many as there are routes, at most
    std::uint64_t fallbacks_ = 0;
    std::uint64_t histories_unavailable_ = 0;
    std::uint64_t unknown_ids_ = 0;
    int in_flight_ = 0;
};

}  // namespace seqrec::sidecar
