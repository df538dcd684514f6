#pragma once

#include <boost/asio/awaitable.hpp>
#include <span>

#include "api/database_problem.hpp"
#include "db/pool.hpp"
#include "http/message.hpp"

namespace seqrec::sidecar {

/// Runs a query for a request, and adds the time to the request's. Throws Problem when there are no rows to
/// return; `own` rules come before the general ones. 为请求执行查询并累计其用时；无法返回结果时抛出
/// Problem，own 中的规则优先于通用规则。
boost::asio::awaitable<Rows> ask(Pool& pool, const Request& request, Query query,
                                 std::span<const Rule> own = {});

/// Adds the time since `began` to the time that the request waited for the database.
/// 将 began 以来的时间计入该请求等待数据库的时间。
void add_database_time(const Request& request, Clock::time_point began);

}  // namespace seqrec::sidecar
