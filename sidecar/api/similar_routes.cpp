#include "api/routes.hpp"

#include "api/ask.hpp"
#include "api/fields.hpp"
#include "api/json_text.hpp"
#include "api/recommend_request.hpp"
#include "db/arrays.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr Statement kSimilar = {"seqrec_similar", R"sql(
SELECT pg_catalog.array_agg(s.item_id ORDER BY s.rank), pg_catalog.array_agg(s.score ORDER BY s.rank),
       seqrec.http_unknown_items(ARRAY[$1::pg_catalog.text]::seqrec.id[], $3::pg_catalog.text)
FROM seqrec.http_similar_items($1::pg_catalog.text::seqrec.id, $2::int, $3::pg_catalog.text,
                               $4::pg_catalog.text[]::seqrec.id[], $5::pg_catalog.text[]::seqrec.id[], $6::real) s
)sql"};

Query similar_query(const Request& request, const Config& config) {
    const Parameters& given = request.in_query;
    expect_parameters(given, {"top_k", "model", "min_score"}, {"exclude_item_ids", "candidate_item_ids"});
    auto min_score = number(given, "min_score");
    if (min_score) min_score = checked_min_score(*min_score, "min_score");
    return {&kSimilar,
            {{id_text(request.in_path, "item_id")},
             {std::to_string(whole_number(given, "top_k", 1, kMaxTopK, 10))},
             {id_text(given, "model").value_or(config.model)},
             array_parameter(id_list(given, "exclude_item_ids")),
             array_parameter(id_list(given, "candidate_item_ids")),
             number_parameter(min_score)}};
}

std::string similar_json(const Rows& rows) {
    const auto append_texts = [](std::string& json, std::string_view array) {
        append_json_array(json, decode_texts(array),
                          [&](const auto& id) { append_json(json, id.value_or("")); });
    };
    std::string json = R"({"similar_item_ids":)";
    append_texts(json, rows.text(0, 0));
    json += R"(,"scores":)";
    append_json_array(json, decode_reals(rows.text(0, 1)), [&](float score) { append_json(json, score); });
    if (!decode_texts(rows.text(0, 2)).empty()) {
        json += R"(,"unknown_item_ids":)";
        append_texts(json, rows.text(0, 2));
    }
    return json + "}";
}

asio::awaitable<Response> similar(const Services& services, const Request& request) {
    const Rows rows = co_await ask(services.pool, similar_query(request, services.config), request);
    Response response;
    response.body = similar_json(rows);
    co_return response;
}

}  // namespace

void add_similar_routes(Router& router, const Services& services) {
    router.add({"GET", "/similar/{item_id}", false,
                [services](const Request& request) { return similar(services, request); }});
}

}  // namespace seqrec::sidecar
