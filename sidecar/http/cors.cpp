#include "http/cors.hpp"

#include <algorithm>

namespace seqrec::sidecar {
namespace {

constexpr std::string_view kOrigin = "Origin";
constexpr std::string_view kPreflightMethod = "OPTIONS";
// Beside those that every page may send or read.
constexpr const char* kRequestHeaders =
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-Id";
constexpr const char* kAnswerHeaders = "ETag, Location, Retry-After, Server-Timing, X-Request-Id";
constexpr const char* kKeptForSeconds = "600";

}  // namespace

bool Cors::allows(std::string_view origin) const {
    return std::ranges::find(origins_, origin) != origins_.end();
}

bool Cors::is_preflight(const Request& request) const {
    return request.method == kPreflightMethod && allows(request.header(kOrigin)) &&
           !request.header("Access-Control-Request-Method").empty();
}

Response Cors::preflight(const Router& router, const Request& request) const {
    Response response;
    response.status = 204;
    response.headers = {{"Access-Control-Allow-Methods", router.methods(request.path)},
                        {"Access-Control-Allow-Headers", kRequestHeaders},
                        {"Access-Control-Max-Age", kKeptForSeconds}};
    return response;
}

void Cors::mark(const Request& request, Response& response) const {
    if (origins_.empty()) return;
    response.headers.emplace_back("Vary", kOrigin);  // or a cache would give one site's answer to another
    const auto origin = request.header(kOrigin);
    if (!allows(origin)) return;
    response.headers.emplace_back("Access-Control-Allow-Origin", origin);
    response.headers.emplace_back("Access-Control-Expose-Headers", kAnswerHeaders);
}

}  // namespace seqrec::sidecar
