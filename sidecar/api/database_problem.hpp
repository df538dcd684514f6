#pragma once

#include <string>

#include "db/query.hpp"
#include "http/problem.hpp"

namespace seqrec::sidecar {

/// What a client is told of a failed query: status by SQLSTATE (the table is in database_problem.cpp), the
/// database's own message only where it speaks about the request. The rest goes to the log under the
/// request's id. 查询失败时告知客户端的内容：按 SQLSTATE 决定状态码（见 database_problem.cpp
/// 中的表）；仅当消息与请求有关时才原样返回，其余以请求标识记入日志。
Problem to_problem(const DatabaseError& error, const std::string& request_id);

}  // namespace seqrec::sidecar
