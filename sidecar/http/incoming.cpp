#include "http/incoming.hpp"

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include "http/wire.hpp"

namespace seqrec::sidecar {
namespace {

namespace http = boost::beast::http;

// Of two of them another reader, a proxy perhaps, may take the other one. Lists may come in parts.
constexpr std::string_view kSingle[] = {"Authorization",   "Content-Type",  "Host",
                                        "Idempotency-Key", "Last-Event-ID", "Origin"};

std::string text(boost::beast::string_view view) { return {view.data(), view.size()}; }

/// Finds the route and reads the parameters of the target.
const Route& find_route(const Router& router, Request& request, std::string_view target) {
    Match match = router.find(request.method, request.path);
    request.in_path = std::move(match.parameters);
    if (request.path.size() < target.size())
        request.in_query = parse_query(target.substr(request.path.size() + 1));
    return *match.route;
}

std::optional<Problem> repeated_header(const RequestParser& parser) {
    for (const std::string_view name : kSingle) {
        if (parser.get().count({name.data(), name.size()}) < 2) continue;
        Problem problem(400, "invalid-field", std::string(name) + " is given twice");
        problem.field = name;
        return problem;
    }
    return std::nullopt;
}

std::optional<Problem> body_problem(const RequestParser& parser, const Request& request) {
    if (!is_json(request.content_type))
        return Problem(415, "unsupported-media-type",
                       "the body must be sent as Content-Type: application/json");
    const auto encoding = parser.get()[http::field::content_encoding];
    if (!encoding.empty() && !boost::beast::iequals(encoding, "identity"))
        return Problem(415, "unsupported-media-type", "the body must be sent without Content-Encoding");
    if (!parser.chunked() && !parser.content_length())
        return Problem(411, "length-required", "the request must have a Content-Length");
    return std::nullopt;
}

}  // namespace

void bound(RequestParser& parser, const Config& config) {
    parser.header_limit(static_cast<std::uint32_t>(config.max_header));
    parser.body_limit(config.max_body);
}

Request request_of(const RequestParser& parser) {
    const auto& header = parser.get();
    Request request;
    request.method = text(header.method_string());
    request.path = text(header.target().substr(0, header.target().find('?')));
    request.content_type = text(header[http::field::content_type]);
    request.request_id = choose_request_id(text(header["X-Request-Id"]));
    for (const auto& field : header)
        request.headers.emplace_back(text(field.name_string()), text(field.value()));
    return request;
}

Admission admit(const Router& router, const Doors& doors, const RequestParser& parser, Request& request) {
    Admission admission;
    admission.problem = doors.hosts.refusal(request);
    if (!admission.problem) admission.problem = repeated_header(parser);
    if (admission.problem) return admission;
    try {
        if (doors.cors.is_preflight(request)) {
            admission.answer = doors.cors.preflight(router, request);
            return admission;
        }
        admission.route = &find_route(router, request, parser.get().target());
        admission.problem = doors.gate.refusal(admission.route->access, request.header("Authorization"));
        if (!admission.problem && admission.route->takes_json)
            admission.problem = body_problem(parser, request);
    } catch (const Problem& problem) {
        admission.problem = problem;
    }
    return admission;
}

Problem unreadable(boost::system::error_code error, const Config& config) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
        return {431, "header-too-large",
                "the header has more than " + std::to_string(config.max_header) + " bytes"};
    if (error == http::error::body_limit)
        return {413, "body-too-large",
                "the body has more than " + std::to_string(config.max_body) + " bytes"};
    return {400, "malformed-request", "this is not HTTP/1.1: " + error.message()};
}

}  // namespace seqrec::sidecar
