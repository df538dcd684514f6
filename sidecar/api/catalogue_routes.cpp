#include "api/catalogue_routes.hpp"

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
constexpr Statement kTitles = {
    "seqrec_titles",
    "SELECT json_build_object('items', coalesce(json_agg(json_build_object('item_id', w.item_id, 'title', "
    "t.title) "
    "ORDER BY w.place), '[]'))::text FROM unnest($1::text[]) WITH ORDINALITY AS w(item_id, place) LEFT JOIN "
    "(SELECT item_id, min(title) AS title FROM seqrec.titles_of($1::text[], to_regclass($2::text), $3::name, "
    "$4::name) "
    "GROUP BY item_id) t USING (item_id)"};
// Ids that begin with the text come first; of what the titles give, what the model knows.
constexpr Statement kItems = {
    "seqrec_items",
    "WITH found AS (SELECT item_id, min(place) AS place FROM (SELECT item_id, place FROM "
    "seqrec_find_items($1::text, $2::int, $3::text) WITH ORDINALITY AS f(item_id, place) UNION ALL "
    "SELECT t.item_id, 1000 FROM seqrec.find_titles(nullif($1::text, ''), 5 * $2::int, "
    "to_regclass($4::text), $5::name, "
    "$6::name) t, LATERAL seqrec_find_items(t.item_id, 1, $3::text) k WHERE k.item_id = t.item_id) AS either "
    "GROUP BY item_id ORDER BY min(place), item_id LIMIT $2::int) "
    "SELECT json_build_object('items', coalesce(json_agg(json_build_object('item_id', found.item_id, "
    "'title', t.title) "
    "ORDER BY found.place, found.item_id), '[]'))::text FROM found LEFT JOIN (SELECT item_id, min(title) AS "
    "title FROM "
    "seqrec.titles_of((SELECT array_agg(item_id) FROM found), to_regclass($4::text), $5::name, $6::name) "
    "GROUP BY item_id) t "
    "USING (item_id)"};
constexpr Statement kUsers = {"seqrec_users",
                              "SELECT json_build_object('users', "
                              "coalesce(json_agg(json_build_object('user_id', user_id)), '[]'))::text "
                              "FROM seqrec_find_users($1::text, $2::int, $3::text) "};

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
    expect_parameters(request.in_query, {"id"}, "id");
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
        query = {&kItems, {{search.text}, {std::to_string(search.limit)}, {search.model}}};
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
    router.add(
        {"GET", "/users", false, [services](const Request& request) { return users(services, request); }});
}

}  // namespace seqrec::sidecar
