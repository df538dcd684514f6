#include "api/routes.hpp"

#include "api/ask.hpp"
#include "api/events_request.hpp"
#include "api/json_response.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr Statement kAdd = {"seqrec_add_events", R"sql(
SELECT seqrec.http_add_events($1::pg_catalog.jsonb, $2::pg_catalog.text::pg_catalog.regclass, $3::pg_catalog.name,
                              $4::pg_catalog.name, $5::pg_catalog.name, $6::pg_catalog.text)::pg_catalog.text
)sql"};
constexpr std::string_view kMisfit = "the table of events is not as this service was told";
constexpr std::string_view kMisfitHint = "See SEQREC_EVENTS_TABLE and its columns.";
// An id that is none of the column's type is the client's fault, a column that is not there the operator's. Only the database knows
// what is locked, a key or a table: its own words.
constexpr Rule kEventRules[] = {kForbidden,
                                kNotInstalled,
                                kReadOnly,
                                {"22KEY", 422, "key-reused", ""},
                                {"23", 409, "conflict", ""},
                                {"42", 500, "misconfigured", kMisfit, kMisfitHint},
                                {"3F000", 500, "misconfigured", kMisfit, kMisfitHint},
                                {"55000", 500, "misconfigured", kMisfit, kMisfitHint},
                                {"55P03", 503, "database-unavailable", ""}};

Problem disabled() {
    Problem problem(404, "disabled", "this service takes no events");
    problem.hint = "Set SEQREC_EVENTS_TABLE to enable this route.";
    return problem;
}

asio::awaitable<Response> add(const Services& services, const Request& request) {
    const InteractionTable& to = services.config.events;
    if (to.table.empty()) throw disabled();
    Query query{&kAdd,
                {{parse_events_request(request.body).dump()},
                 {to.table},
                 {to.user_column},
                 {to.item_column},
                 {to.time_column},
                 {idempotency_key(request)}}};
    query.repeatable = false;
    const Rows rows = co_await ask(services.writing_pool, std::move(query), request, kEventRules);
    const auto added = rows.text(0, 0);
    if (added.empty()) co_return json_response({{"inserted", 0}, {"repeated", true}});
    co_return json_response({{"inserted", std::stoll(std::string(added))}}, 201);
}

}  // namespace

void add_event_routes(Router& router, const Services& services) {
    router.add({"POST", "/events", true,
                [services](const Request& request) { return add(services, request); }, Access::Bearer});
}

}  // namespace seqrec::sidecar
