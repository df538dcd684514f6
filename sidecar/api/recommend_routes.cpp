#include "api/routes.hpp"

#include "api/ask.hpp"
#include "api/database_problem.hpp"
#include "api/json_response.hpp"
#include "api/language.hpp"
#include "api/recommendation.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

// What the client asked for that the model does not have, or that is too much.
constexpr Rule kWishRules[] = {{"0A000", 400, "refused-by-database", ""},
                               {"54000", 400, "refused-by-database", ""}};

std::span<const Rule> rules_for(const Wish& wish) {
    return wish.min_probability ? std::span(kWishRules) : std::span(kWishRules).last(1);
}

std::optional<std::string> wanted_language(const Request& request) {
    auto language = preferred_language(request.header("Accept-Language"));
    return language.empty() ? std::nullopt : std::optional(std::move(language));
}

asio::awaitable<Response> recommend(const Services& services, const Request& request) {
    const About about{request.request_id, Clock::now()};
    auto wanted = parse_recommend_request(request.body, services.config.model);
    if (!wanted.language) wanted.language = wanted_language(request);
    const Rows rows = co_await ask(services.pool, recommend_query(wanted, services.config.titles), request,
                                   rules_for(wanted.wish));
    record_answers(services.counters, rows);
    if (const auto problem = history_problem(rows, request.request_id)) throw *problem;
    co_return json_response(recommend_json(rows, wanted.wish, about));
}

asio::awaitable<Response> recommend_batch(const Services& services, const Request& request) {
    const About about{request.request_id, Clock::now()};
    const auto wanted = parse_batch_request(request.body, services.config.model);
    const Rows rows = co_await ask(services.pool, batch_query(wanted), request, rules_for(wanted.wish));
    record_answers(services.counters, rows);
    co_return json_response(batch_json(rows, wanted.wish, about));
}

}  // namespace

void add_recommend_routes(Router& router, const Services& services) {
    router.add({"POST", "/recommend", true,
                [services](const Request& request) { return recommend(services, request); }});
    router.add({"POST", "/recommend/batch", true,
                [services](const Request& request) { return recommend_batch(services, request); }});
}

}  // namespace seqrec::sidecar
