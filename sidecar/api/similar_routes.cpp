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
SELECT pg_catalog.array_agg(s.similar_item_id ORDER BY s.rank), pg_catalog.array_agg(s.score ORDER BY s.rank),
       seqrec_unknown_items(ARRAY[$1::pg_catalog.text], $3::pg_catalog.text)
FROM seqrec_similar_items($1::pg_catalog.text, $2::int, $3::pg_catalog.text) s
)sql"};

Query similar_query(const Request& request, const Config& config) {
    expect_parameters(request.in_query, {"top_k", "model"});
    const auto top_k = whole_number(request.in_query, "top_k", 1, kMaxTopK, 10);
    return {&kSimilar,
            {{id_text(request.in_path, "item_id")},
             {std::to_string(top_k)},
             {id_text(request.in_query, "model").value_or(config.model)}}};
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
