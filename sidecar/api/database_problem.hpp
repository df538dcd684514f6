#pragma once

#include <span>
#include <string>
#include <string_view>

#include "db/query.hpp"
#include "http/problem.hpp"

namespace seqrec::sidecar {

/// What SQLSTATEs become; `prefix` matches their beginning. `detail` empty: the database's message is passed
/// on, because it speaks about what the client sent.
/// SQLSTATE 的对应关系，prefix 匹配其开头；detail 为空表示原样返回数据库消息，因为它针对客户端所发送的内容。
struct Rule {
    std::string_view prefix;
    unsigned status;
    std::string_view kind;
    std::string_view detail;
    std::string_view hint = {};  // where the database gives none
};

inline constexpr Rule kForbidden = {"42501", 403, "forbidden",
                                    "the database role of this service may not do this",
                                    "docs/operations.md has the grants that its role needs."};
inline constexpr Rule kNotInstalled = {"42883", 503, "not-installed",
                                       "the database has no seqrec functions for this role",
                                       "CREATE EXTENSION seqrec in the database that is asked; "
                                       "docs/operations.md has the grants that a role needs."};

inline constexpr Rule kReadOnly = {"25006", 503, "read-only-database", "this database takes no changes now",
                                   "Changes go to the primary: see SEQREC_ADMIN_DSN."};

/// What a client is told of a failed query: status by SQLSTATE (the table is in database_problem.cpp), the
/// database's own message only where it speaks about the request. The rest goes to the log under the
/// request's id. Rules of the route's `own` come first.
/// 查询失败时告知客户端的内容：按 SQLSTATE 决定状态码（见 database_problem.cpp 中的表）；
/// 仅当消息与请求有关时才原样返回，其余以请求标识记入日志。路由自身的规则 own 优先。
Problem to_problem(const DatabaseError& error, const std::string& request_id, std::span<const Rule> own = {});

/// The same in a sentence for who looks after the service: what is wrong, the SQLSTATE, what to do.
/// 同上，写成一句话给运维者：问题、SQLSTATE 与处理办法。
std::string sentence_of(const DatabaseError& error);

}  // namespace seqrec::sidecar
