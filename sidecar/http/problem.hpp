// Errors as clients see them: RFC 9457 problem details.
#pragma once

#include <chrono>
#include <exception>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "http/message.hpp"

namespace seqrec::sidecar {

/// An error on its way to the client; thrown by whoever finds it. `kind` is a stable word-with-hyphens that
/// programs may compare; `detail` is a sentence for people. Empty fields are left out of the answer.
/// 将返回给客户端的错误，由发现者抛出。kind 是供程序比较的稳定标识（连字符分隔），detail 是给人看的说明。
/// 空字段不会出现在应答中。
struct Problem : std::exception {
    Problem(unsigned status, std::string kind, std::string detail)
        : status(status), kind(std::move(kind)), detail(std::move(detail)) {}

    const char* what() const noexcept override { return detail.c_str(); }

    unsigned status;
    std::string kind;
    std::string detail;
    std::string field;     // the field of the request that is wrong
    std::string sqlstate;  // where the database refused
    std::string hint;
    std::string allow;  // 405: the methods that would do
    std::chrono::seconds retry_after{0};
};

/// The problem's members, the request's id where one is given.
/// 问题的各成员；给出请求标识时一并写入。
nlohmann::ordered_json to_json(const Problem& problem, const std::string& request_id = {});

/// The problem as application/problem+json, with Retry-After, Allow and WWW-Authenticate where they belong.
/// 将问题表示为 application/problem+json，并按需带上 Retry-After、Allow 与 WWW-Authenticate。
Response to_response(const Problem& problem, const std::string& request_id);

}  // namespace seqrec::sidecar
