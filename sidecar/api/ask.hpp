#pragma once

#include <boost/asio/awaitable.hpp>
#include <span>

#include "api/database_problem.hpp"
#include "db/pool.hpp"
#include "http/message.hpp"

namespace seqrec::sidecar {

/// Runs a query for a request, and adds its time to the request's.
/// 为请求执行查询，并累计其用时。
boost::asio::awaitable<Outcome> try_ask(Pool& pool, Query query, const Request& request);

/// The same; throws Problem when the database does not answer it. `own` rules come before the general ones.
/// 同上；数据库未能应答时抛出 Problem，own 中的规则优先于通用规则。
boost::asio::awaitable<Rows> ask(Pool& pool, Query query, const Request& request,
                                 std::span<const Rule> own = {});

}  // namespace seqrec::sidecar
