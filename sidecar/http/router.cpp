#include "http/router.hpp"

#include "http/problem.hpp"

namespace seqrec::sidecar {

const Route& Router::find(std::string_view method, std::string_view path) const {
    const auto wanted = method == "HEAD" ? std::string_view("GET") : method;
    std::string allow;
    for (const auto& route : routes_) {
        if (route.path != path) continue;
        if (route.method == wanted) return route;
        allow += (allow.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
    }
    if (allow.empty()) throw Problem(404, "unknown-path", "there is nothing at this path");
    Problem problem(405, "method-not-allowed", "this path answers " + allow);
    problem.allow = allow;
    throw problem;
}

}  // namespace seqrec::sidecar
