#include "api/routes.hpp"

#include "api/ask.hpp"
#include "api/fields.hpp"
#include "api/json_response.hpp"
#include "db/arrays.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr std::int64_t kMaxFound = 100;
constexpr std::size_t kMaxQueryBytes = 512;

// Without a table of titles $2 is NULL, and so is every title. Of several titles of an item the first counts.
constexpr Statement kTitles = {"seqrec_titles", R"sql(
SELECT pg_catalog.json_build_object('items', coalesce(pg_catalog.json_agg(
           pg_catalog.json_build_object('item_id', w.item_id, 'title', t.title) ORDER BY w.place), '[]'))::pg_catalog.text
FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS w (item_id, place)
LEFT JOIN (SELECT o.item_id, pg_catalog.min(o.title) AS title
           FROM seqrec.titles_of($1::pg_catalog.text[], pg_catalog.to_regclass($2::pg_catalog.text),
                                 $3::pg_catalog.name, $4::pg_catalog.name) o
           GROUP BY o.item_id) t ON t.item_id OPERATOR(pg_catalog.=) w.item_id
)sql"};
// Ids that begin with the text come first; of what the titles give, what the model knows.
constexpr Statement kFoundItems = {"seqrec_items", R"sql(
WITH found AS (
    SELECT either.item_id, pg_catalog.min(either.place) AS place
    FROM (SELECT f.item_id, pg_catalog.row_number() OVER () AS place
          FROM seqrec.http_find_items($1::pg_catalog.text, $2::int, $3::pg_catalog.text) f
          UNION ALL
          SELECT t.item_id, 1000
          FROM seqrec.find_titles(
                   CASE WHEN $1::pg_catalog.text OPERATOR(pg_catalog.<>) '' THEN $1::pg_catalog.text END,
                   5 OPERATOR(pg_catalog.*) $2::int, pg_catalog.to_regclass($4::pg_catalog.text),
                   $5::pg_catalog.name, $6::pg_catalog.name) t,
               LATERAL seqrec.http_find_items(t.item_id, 1, $3::pg_catalog.text) k
          WHERE k.item_id OPERATOR(pg_catalog.=) t.item_id) either
    GROUP BY either.item_id
    ORDER BY pg_catalog.min(either.place), either.item_id
    LIMIT $2::int)
SELECT pg_catalog.json_build_object('items', coalesce(pg_catalog.json_agg(
           pg_catalog.json_build_object('item_id', found.item_id, 'title', t.title)
           ORDER BY found.place, found.item_id), '[]'))::pg_catalog.text
FROM found
LEFT JOIN (SELECT o.item_id, pg_catalog.min(o.title) AS title
           FROM seqrec.titles_of((SELECT pg_catalog.array_agg(found.item_id) FROM found),
                                 pg_catalog.to_regclass($4::pg_catalog.text),
                                 $5::pg_catalog.name, $6::pg_catalog.name) o
           GROUP BY o.item_id) t ON t.item_id OPERATOR(pg_catalog.=) found.item_id
)sql"};
constexpr Statement kUsers = {"seqrec_users", R"sql(
SELECT pg_catalog.json_build_object('users', coalesce(pg_catalog.json_agg(
           pg_catalog.json_build_object('user_id', u.user_id)), '[]'))::pg_catalog.text
FROM seqrec.http_find_users($1::pg_catalog.text, $2::int, $3::pg_catalog.text) u
)sql"};

struct Search {
    std::string text;
    std::int64_t limit;
    std::string model;
};

Search search_of(const Request& request, const Config& config) {
    const auto* text = request.in_query.find("query");
    if (text && text->size() > kMaxQueryBytes)
        refuse_field("query", "must have at most " + std::to_string(kMaxQueryBytes) + " bytes");
    return {text ? *text : "", whole_number(request.in_query, "limit", 1, kMaxFound, 20),
            id_text(request.in_query, "model").value_or(config.model)};
}

/// The parameters that name the table of titles; NULL when there is none.
void add_titles(Query& query, const TitleTable& titles) {
    query.parameters.push_back({titles.table.empty() ? std::nullopt : std::optional(titles.table)});
    query.parameters.push_back({titles.id_column});
    query.parameters.push_back({titles.title_column});
}

std::vector<std::string> ids_of(const Request& request) {
    expect_parameters(request.in_query, {}, {"id"});
    auto ids = request.in_query.all("id");
    if (ids.size() > kMaxFound)
        refuse_field("id", "may be given " + std::to_string(kMaxFound) + " times at most");
    for (auto& id : ids) id = id_text(std::move(id), "id");
    return ids;
}

asio::awaitable<Response> items(const Services& services, const Request& request) {
    Query query{&kTitles, {}};
    if (request.in_query.find("id")) {
        query.parameters.push_back({encode_array(ids_of(request)), true});
    } else {
        expect_parameters(request.in_query, {"query", "limit", "model"});
        const auto search = search_of(request, services.config);
        query = {&kFoundItems, {{search.text}, {std::to_string(search.limit)}, {search.model}}};
    }
    add_titles(query, services.config.titles);
    const Rows rows = co_await ask(services.pool, std::move(query), request);
    co_return json_response(std::string(rows.text(0, 0)));
}

asio::awaitable<Response> users(const Services& services, const Request& request) {
    expect_parameters(request.in_query, {"query", "limit", "model"});
    const auto search = search_of(request, services.config);
    Query query{&kUsers, {{search.text}, {std::to_string(search.limit)}, {search.model}}};
    const Rows rows = co_await ask(services.pool, std::move(query), request);
    co_return json_response(std::string(rows.text(0, 0)));
}

}  // namespace

void add_catalogue_routes(Router& router, const Services& services) {
    router.add(
        {"GET", "/items", false, [services](const Request& request) { return items(services, request); }});
    router.add({"GET", "/users", false,
                [services](const Request& request) { return users(services, request); }, Access::Bearer});
}

}  // namespace seqrec::sidecar
