#include "api/routes.hpp"

#include "api/ask.hpp"
#include "api/fields.hpp"
#include "api/json_response.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr std::int64_t kMaxCoefficients = 1000;

constexpr Statement kModels = {"seqrec_models", R"sql(
SELECT pg_catalog.json_build_object('models', coalesce(pg_catalog.json_agg(m), '[]'))::pg_catalog.text
FROM (SELECT model, model_id, version, kind, active, pinned, owner, created_at, n_users, n_items, dim, metrics, config
      FROM seqrec.http_models() ORDER BY model_id DESC LIMIT 1000) m
)sql"};
// JSON keeps the kinds in the database's order, the default first.
constexpr Statement kKinds = {"seqrec_kinds", R"sql(
SELECT pg_catalog.json_build_object('kinds', coalesce(pg_catalog.json_agg(k), '[]'))::pg_catalog.text
FROM seqrec.http_kinds() k
)sql"};
// Those that matter most: of several hundred thousand a person looks at a few.
constexpr Statement kCoefficients = {"seqrec_coefficients", R"sql(
WITH c AS (SELECT feature, value, coefficient, standard_error, rows FROM seqrec.http_coefficients($1::pg_catalog.text))
SELECT pg_catalog.json_build_object('model', $1::pg_catalog.text, 'count', (SELECT pg_catalog.count(*) FROM c), 'coefficients',
           coalesce(pg_catalog.json_agg(most), '[]'))::pg_catalog.text
FROM (SELECT * FROM c ORDER BY pg_catalog.abs(coefficient) DESC, feature, value LIMIT $2::int) most
)sql"};
// A model of a kind that has none is no mistake of who looks at it.
constexpr std::string_view kNoCoefficients = "no-coefficients";
constexpr Rule kCoefficientRules[] = {{"0A000", 404, kNoCoefficients, ""}};
constexpr Statement kActivate = {"seqrec_activate",
                                 "SELECT seqrec.http_activate($1::bigint)::pg_catalog.text"};
constexpr Rule kActivateRules[] = {kReadOnly};

asio::awaitable<Response> models(const Services& services, const Request& request) {
    expect_parameters(request.in_query, {});
    const Rows rows = co_await ask(services.pool, Query{&kModels, {}}, request);
    co_return json_response(std::string(rows.text(0, 0)));
}

asio::awaitable<Response> kinds(const Services& services, const Request& request) {
    expect_parameters(request.in_query, {});
    const Rows rows = co_await ask(services.pool, Query{&kKinds, {}}, request);
    co_return json_response(std::string(rows.text(0, 0)));
}

asio::awaitable<Response> coefficients(const Services& services, const Request& request) {
    expect_parameters(request.in_query, {"top"});
    const auto top = whole_number(request.in_query, "top", 1, kMaxCoefficients, 50);
    const std::string model = id_text(request.in_path, "model").value_or("");
    Query query{&kCoefficients, {{model}, {std::to_string(top)}}};
    try {
        const Rows rows = co_await ask(services.pool, std::move(query), request, kCoefficientRules);
        co_return json_response(std::string(rows.text(0, 0)));
    } catch (const Problem& problem) {
        if (problem.kind != kNoCoefficients) throw;
    }
    co_return json_response({{"model", model}, {"count", 0}, {"coefficients", nlohmann::json::array()}});
}

asio::awaitable<Response> activate(const Services& services, const Request& request) {
    const auto id = number_in_path(request, "model_id", "unknown-model", "there is no such model");
    Query query{&kActivate, {{std::to_string(id)}}};
    query.repeatable = false;
    co_await ask(services.writing_pool, std::move(query), request, kActivateRules);
    co_return json_response({{"model_id", id}, {"active", true}});
}

}  // namespace

void add_model_routes(Router& router, const Services& services) {
    router.add(
        {"GET", "/models", false, [services](const Request& request) { return models(services, request); }});
    router.add(
        {"GET", "/kinds", false, [services](const Request& request) { return kinds(services, request); }});
    router.add({"GET", "/models/{model}/coefficients", false,
                [services](const Request& request) { return coefficients(services, request); },
                Access::Bearer});
    router.add({"POST", "/models/{model_id}/activate", false,
                [services](const Request& request) { return activate(services, request); }, Access::Admin});
}

}  // namespace seqrec::sidecar
