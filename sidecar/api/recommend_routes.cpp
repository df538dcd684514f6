#include "api/recommend_routes.hpp"

#include "api/ask.hpp"
#include "api/json_response.hpp"
#include "api/recommend_request.hpp"
#include "db/text_array.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr Statement kRecommend = {
    "seqrec_recommend",
    "SELECT item_id FROM seqrec_recommend($1::text, $2::text[], $3::int, $4::text) ORDER BY rank"};

Query recommend_query(const RecommendRequest& request) {
    Parameter clicks{std::nullopt, true};
    if (request.recent_clicks) clicks.value = encode_text_array(*request.recent_clicks);
    return {&kRecommend,
            {{request.user_id}, std::move(clicks), {std::to_string(request.top_k)}, {request.model}}};
}

nlohmann::ordered_json to_json(const Rows& rows) {
    auto ids = nlohmann::ordered_json::array();
    for (int row = 0; row < rows.size(); ++row) ids.push_back(rows.text(row, 0));
    return {{"recommended_item_ids", std::move(ids)}};
}

asio::awaitable<Response> recommend(const Services& services, const Request& request) {
    auto query = recommend_query(parse_recommend_request(request.body, services.config.model));
    const Rows rows = co_await ask(services.pool, request, std::move(query));
    co_return json_response(to_json(rows));
}

}  // namespace

void add_recommend_routes(Router& router, const Services& services) {
    router.add({"POST", "/recommend", true,
                [services](const Request& request) { return recommend(services, request); }});
}

}  // namespace seqrec::sidecar
