#include "api/routes.hpp"

#include <algorithm>

#include "api/ask.hpp"
#include "api/fields.hpp"
#include "api/job_feed.hpp"
#include "api/json_response.hpp"
#include "api/train_request.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr Statement kJobs = {"seqrec_jobs", R"sql(
SELECT pg_catalog.json_build_object('jobs', coalesce(pg_catalog.json_agg(j), '[]'))::pg_catalog.text
FROM (SELECT * FROM seqrec.http_jobs()
      WHERE $2::pg_catalog.text IS NULL OR model OPERATOR(pg_catalog.=) $2::pg_catalog.text
      ORDER BY job_id DESC LIMIT $1::int) j
)sql"};
// Of a training with very many epochs, the latest.
constexpr Statement kJob = {"seqrec_job", R"sql(
SELECT pg_catalog.row_to_json(j)::pg_catalog.text
FROM (SELECT j.*, (SELECT coalesce(pg_catalog.json_agg(e ORDER BY e.epoch), '[]')
                   FROM (SELECT epoch, at, step, loss, metrics, member, members, stage FROM seqrec.http_job_log()
                         WHERE job_id OPERATOR(pg_catalog.=) $1::bigint
                         ORDER BY epoch DESC LIMIT 10000) e) AS epochs
      FROM seqrec.http_jobs() j WHERE j.job_id OPERATOR(pg_catalog.=) $1::bigint) j
)sql"};
constexpr Statement kCancel = {"seqrec_cancel", "SELECT seqrec.http_cancel($1::bigint)::pg_catalog.text"};
constexpr Statement kTrain = {"seqrec_train", R"sql(
SELECT seqrec.http_train($1::pg_catalog.text::pg_catalog.regclass, model => $2::pg_catalog.text,
                    kind => coalesce($3::pg_catalog.text, (SELECT kind FROM seqrec.http_kinds() LIMIT 1)), user_column => $4::pg_catalog.name,
                    item_column => $5::pg_catalog.name, time_column => $6::pg_catalog.name,
                    options => $7::pg_catalog.jsonb, if_running => $8::pg_catalog.text,
                    items => $9::pg_catalog.text::pg_catalog.regclass, users => $10::pg_catalog.text::pg_catalog.regclass)::pg_catalog.text
)sql"};

constexpr Statement kRefresh = {"seqrec_refresh_items",
                                "SELECT seqrec.http_refresh_items($1::pg_catalog.text)::pg_catalog.text"};

constexpr Rule kCancelRules[] = {{"42704", 404, "unknown-job", ""}, {"55", 409, "conflict", ""}, kReadOnly};
// What is wrong with a table, a column or an option, the client has sent.
constexpr Rule kTrainRules[] = {kForbidden,
                                kNotInstalled,
                                kReadOnly,
                                {"55", 409, "conflict", ""},
                                {"28", 403, "forbidden", ""},
                                {"42", 400, "refused-by-database", ""},
                                {"3F000", 400, "refused-by-database", ""},
                                {"0A000", 400, "refused-by-database", ""},
                                {"02000", 400, "refused-by-database", ""}};

constexpr Rule kRefreshRules[] = {kForbidden,
                                  kNotInstalled,
                                  kReadOnly,
                                  {"42704", 404, "unknown-model", ""},
                                  {"55", 409, "conflict", ""},
                                  {"28", 403, "forbidden", ""},
                                  {"42", 400, "refused-by-database", ""},
                                  {"0A000", 400, "refused-by-database", ""}};

std::int64_t job_id(const Request& request) {
    return number_in_path(request, "job_id", kUnknownJob, kNoSuchJob);
}

asio::awaitable<Response> jobs(const Services& services, const Request& request) {
    expect_parameters(request.in_query, {"limit", "model"});
    const auto limit = whole_number(request.in_query, "limit", 1, 1000, 100);
    Query query{&kJobs, {{std::to_string(limit)}, {id_text(request.in_query, "model")}}};
    const Rows rows = co_await ask(services.pool, std::move(query), request);
    co_return json_response(std::string(rows.text(0, 0)));
}

asio::awaitable<Response> job(const Services& services, const Request& request) {
    expect_parameters(request.in_query, {});
    Query query{&kJob, {{std::to_string(job_id(request))}}};
    const Rows rows = co_await ask(services.pool, std::move(query), request);
    if (rows.size() == 0) throw Problem(404, kUnknownJob, kNoSuchJob);
    co_return json_response(std::string(rows.text(0, 0)));
}

asio::awaitable<Response> cancel(const Services& services, const Request& request) {
    Query query{&kCancel, {{std::to_string(job_id(request))}}};
    query.repeatable = false;
    const Rows rows = co_await ask(services.writing_pool, std::move(query), request, kCancelRules);
    co_return json_response({{"cancelled", rows.text(0, 0) == "true"}});
}

/// The way from one path of this service to another, which stays right below a path of a proxy's.
std::string way(const Request& from, const std::string& to) {
    std::string up;
    for (auto slashes = std::ranges::count(from.path, '/'); slashes > 1; --slashes) up += "../";
    return up + to;
}

/// Without a job the model is being trained already, and the request wanted none then.
Response train_response(const Request& request, const std::string& id) {
    if (id.empty()) return json_response({{"job_id", nullptr}, {"skipped", true}});
    Response response = json_response({{"job_id", std::stoll(id)}}, 202);
    response.headers.emplace_back("Location", way(request, "jobs/" + id));
    return response;
}

asio::awaitable<Response> train(const Services& services, const Request& request) {
    const auto wanted = parse_train_request(request.body, services.config.model);
    Query query{&kTrain,
                {{wanted.ratings},
                 {wanted.model},
                 {wanted.kind},
                 {wanted.user_column},
                 {wanted.item_column},
                 {wanted.time_column},
                 {wanted.options},
                 {wanted.if_running},
                 {wanted.items},
                 {wanted.users}}};
    query.repeatable = false;
    const Rows rows = co_await ask(services.writing_pool, std::move(query), request, kTrainRules);
    co_return train_response(request, std::string(rows.text(0, 0)));
}

asio::awaitable<Response> refresh(const Services& services, const Request& request) {
    Query query{&kRefresh, {{id_text(request.in_path, "model").value_or("")}}};
    query.repeatable = false;
    const Rows rows = co_await ask(services.writing_pool, std::move(query), request, kRefreshRules);
    co_return train_response(request, std::string(rows.text(0, 0)));
}

}  // namespace

void add_job_routes(Router& router, const Services& services) {
    router.add({"GET", "/jobs", false, [services](const Request& request) { return jobs(services, request); },
                Access::Bearer});
    router.add({"GET", "/jobs/{job_id}", false,
                [services](const Request& request) { return job(services, request); }, Access::Bearer});
    router.add({"POST", "/jobs/{job_id}/cancel", false,
                [services](const Request& request) { return cancel(services, request); }, Access::Admin});
    router.add({"POST", "/train", true,
                [services](const Request& request) { return train(services, request); }, Access::Admin});
    router.add({"POST", "/models/{model}/refresh", false,
                [services](const Request& request) { return refresh(services, request); }, Access::Admin});
}

}  // namespace seqrec::sidecar
