#include "http/router.hpp"

#include <algorithm>

#include "http/problem.hpp"

namespace seqrec::sidecar {
namespace {

/// Takes the first segment off a path that begins with '/'.
std::string_view take_segment(std::string_view& path) {
    path.remove_prefix(1);
    const auto segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    return segment;
}

/// Whether any segment fits here, as in "{item_id}".
bool names_parameter(std::string_view segment) { return segment.starts_with('{') && segment.ends_with('}'); }

/// Segments are compared as they were sent: an encoded slash is part of a parameter, not of the path.
bool fits(std::string_view pattern, std::string_view path) {
    while (pattern.starts_with('/') && path.starts_with('/')) {
        const auto wanted = take_segment(pattern), given = take_segment(path);
        if (names_parameter(wanted) ? given.empty() : wanted != given) return false;
    }
    return pattern.empty() && path.empty();
}

Parameters parameters_of(std::string_view pattern, std::string_view path) {
    Parameters parameters;
    while (pattern.starts_with('/')) {
        const auto name = take_segment(pattern), given = take_segment(path);
        if (!names_parameter(name)) continue;
        auto value = percent_decoded(given);
        if (!value) throw Problem(400, "malformed-request", "the path is not percent-encoded UTF-8");
        parameters.add(std::string(name.substr(1, name.size() - 2)), *std::move(value));
    }
    return parameters;
}

}  // namespace

Match Router::find(std::string_view method, std::string_view path) const {
    const auto wanted = method == "HEAD" ? std::string_view("GET") : method;
    for (const auto& route : routes_)
        if (route.method == wanted && fits(route.path, path))
            return {&route, parameters_of(route.path, path)};
    const auto allow = methods(path);
    Problem problem(405, "method-not-allowed", "this path answers " + allow);
    problem.allow = allow;
    throw problem;
}

std::string Router::methods(std::string_view path) const {
    std::string methods;
    for (const auto& route : routes_) {
        if (!fits(route.path, path)) continue;
        methods += (methods.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
    }
    if (methods.empty()) throw Problem(404, "unknown-path", "there is nothing at this path");
    return methods;
}

}  // namespace seqrec::sidecar
