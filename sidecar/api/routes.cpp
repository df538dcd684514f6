#include "api/routes.hpp"

#include <nlohmann/json.hpp>

#include "api/dashboard.hpp"
#include "api/database_problem.hpp"
#include "api/recommend_request.hpp"
#include "db/text_array.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr Statement kRecommend = {
    "seqrec_recommend",
    "SELECT item_id FROM seqrec_recommend($1::text, $2::text[], $3::int, $4::text) ORDER BY rank"};
constexpr Statement kActiveModel = {"seqrec_active_model",
                                    "SELECT 1 FROM seqrec_models WHERE model = $1::text AND active LIMIT 1"};

Query recommend_query(const RecommendRequest& request) {
    Parameter clicks{std::nullopt, true};
    if (request.recent_clicks) clicks.value = encode_text_array(*request.recent_clicks);
    return {&kRecommend,
            {{request.user_id}, std::move(clicks), {std::to_string(request.top_k)}, {request.model}}};
}

std::string to_json(const Rows& rows) {
    auto ids = nlohmann::json::array();
    for (int row = 0; row < rows.size(); ++row) ids.push_back(rows.text(row, 0));
    const nlohmann::json body = {{"recommended_item_ids", std::move(ids)}};
    return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

asio::awaitable<Response> recommend(const Config& config, Pool& pool, const Request& request) {
    auto query = recommend_query(parse_recommend_request(request.body, config.model));
    const Outcome outcome = co_await pool.run(std::move(query));
    if (const auto* error = std::get_if<DatabaseError>(&outcome))
        throw to_problem(*error, request.request_id);
    Response response;
    response.body = to_json(std::get<Rows>(outcome));
    co_return response;
}

/// Why a balancer should send no request here; empty when it should.
std::vector<std::string> reasons_not_ready(const Outcome& outcome, bool draining, const Config& config) {
    std::vector<std::string> reasons;
    if (draining) reasons.emplace_back("shutting down");
    if (const auto* error = std::get_if<DatabaseError>(&outcome)) {
        const bool refused = error->kind == DatabaseError::Kind::Refused;
        reasons.push_back(refused ? "the database refused to list models, SQLSTATE " + error->sqlstate
                                  : "the database is unreachable");
    } else if (std::get<Rows>(outcome).size() == 0) {
        reasons.push_back("there is no active model named \"" + config.model + "\"");
    }
    return reasons;
}

asio::awaitable<Response> ready(const Config& config, Pool& pool, bool draining) {
    Query query{&kActiveModel, {{config.model}}};
    query.urgent = true;
    const Outcome outcome = co_await pool.run(std::move(query));
    const auto reasons = reasons_not_ready(outcome, draining, config);
    Response response;
    response.status = reasons.empty() ? 200 : 503;
    const nlohmann::ordered_json body = {{"ready", reasons.empty()}, {"reasons", reasons}};
    response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    co_return response;
}

asio::awaitable<Response> live() {
    Response response;
    response.body = R"({"live":true})";
    co_return response;
}

}  // namespace

Router make_router(const Config& config, Pool& pool, std::function<bool()> is_draining) {
    Router router;
    router.add({"POST", "/recommend", true,
                [&config, &pool](const Request& request) { return recommend(config, pool, request); }});
    router.add({"GET", "/livez", false, [](const Request&) { return live(); }});
    router.add({"GET", "/readyz", false, [&config, &pool, is_draining](const Request&) {
                    return ready(config, pool, is_draining());
                }});
    if (config.dashboard) add_dashboard(router);
    return router;
}

}  // namespace seqrec::sidecar
