#include "http/problem.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace seqrec::sidecar {
namespace {

/// "body-too-large" → "Body too large": the summary RFC 9457 wants to be the same each time.
std::string title(std::string kind) {
    std::ranges::replace(kind, '-', ' ');
    if (!kind.empty() && kind[0] >= 'a' && kind[0] <= 'z') kind[0] = static_cast<char>(kind[0] - 'a' + 'A');
    return kind;
}

}  // namespace

nlohmann::ordered_json to_json(const Problem& problem, const std::string& request_id) {
    nlohmann::ordered_json members = {{"type", "urn:seqrec:problem:" + problem.kind},
                                      {"title", title(problem.kind)},
                                      {"status", problem.status},
                                      {"detail", problem.detail}};
    if (!request_id.empty()) members["request_id"] = request_id;
    if (!problem.field.empty()) members["field"] = problem.field;
    if (!problem.sqlstate.empty()) members["sqlstate"] = problem.sqlstate;
    if (!problem.hint.empty()) members["hint"] = problem.hint;
    return members;
}

Response to_response(const Problem& problem, const std::string& request_id) {
    Response response;
    response.status = problem.status;
    response.content_type = "application/problem+json";
    response.body =
        to_json(problem, request_id).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (problem.retry_after.count() > 0)
        response.headers.emplace_back("Retry-After", std::to_string(problem.retry_after.count()));
    if (problem.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    if (!problem.allow.empty()) response.headers.emplace_back("Allow", problem.allow);
    return response;
}

}  // namespace seqrec::sidecar
