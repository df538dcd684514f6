#include "api/routes.hpp"

#include "api/ask.hpp"
#include "api/json_response.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr Statement kActiveModel = {"seqrec_active_model", R"sql(
SELECT 1 FROM seqrec_models WHERE model OPERATOR(pg_catalog.=) $1::pg_catalog.text AND active LIMIT 1
)sql"};

/// Why a balancer should send no request here; empty when it should.
std::vector<std::string> reasons_not_ready(const Outcome& outcome, const Services& services) {
    std::vector<std::string> reasons;
    if (services.is_draining()) reasons.emplace_back("shutting down");
    if (const auto* error = std::get_if<DatabaseError>(&outcome)) {
        const bool refused = error->kind == DatabaseError::Kind::Refused;
        reasons.push_back(refused ? "the database refused to list models, SQLSTATE " + error->sqlstate
                                  : "the database is unreachable");
    } else if (std::get<Rows>(outcome).size() == 0) {
        reasons.push_back("there is no active model named \"" + services.config.model + "\"");
    }
    return reasons;
}

asio::awaitable<Response> ready(const Services& services, const Request& request) {
    Query query{&kActiveModel, {{services.config.model}}};
    query.urgent = true;
    const Outcome outcome = co_await try_ask(services.pool, std::move(query), request);
    const auto reasons = reasons_not_ready(outcome, services);
    co_return json_response({{"ready", reasons.empty()}, {"reasons", reasons}}, reasons.empty() ? 200 : 503);
}

asio::awaitable<Response> live() { co_return json_response({{"live", true}}); }

}  // namespace

void add_health_routes(Router& router, const Services& services) {
    router.add({"GET", "/livez", false, [](const Request&) { return live(); }, Access::Open});
    router.add({"GET", "/readyz", false,
                [services](const Request& request) { return ready(services, request); }, Access::Open});
}

}  // namespace seqrec::sidecar
