#pragma once

#include <boost/asio/awaitable.hpp>

#include "db/pool.hpp"
#include "http/message.hpp"

namespace seqrec::sidecar {

/// Runs a query for a request. Throws Problem when the database does not answer it.
/// 为请求执行查询；数据库未能应答时抛出 Problem。
boost::asio::awaitable<Rows> ask(Pool& pool, Query query, const Request& request);

}  // namespace seqrec::sidecar
