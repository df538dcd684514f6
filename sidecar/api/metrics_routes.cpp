#include "api/routes.hpp"

#include <cstdlib>
#include <type_traits>

#include "api/model_watch.hpp"
#include "exposition.hpp"
#include "process_statistics.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

/// Requests that found no route have no method either: both come from clients, without a bound.
std::string_view path_of(const RouteCounts& counts) {
    return counts.route ? std::string_view(counts.route->path) : "none";
}
std::string_view method_of(const RouteCounts& counts) {
    return counts.route ? std::string_view(counts.route->method) : "none";
}

void write_requests(Exposition& out, const Counters& counters) {
    out.family("seqrec_http_requests_total", "counter", "Requests answered.");
    for (const auto& counts : counters.requests())
        for (const auto& [status, count] : counts.by_status)
            out.sample(static_cast<double>(count), {{"route", path_of(counts)},
                                                    {"method", method_of(counts)},
                                                    {"code", std::to_string(status)}});
    out.family("seqrec_http_request_duration_seconds", "histogram",
               "Time from a request's first byte to its answer.");
    for (const auto& counts : counters.requests())
        for (std::size_t i = 0; i < counts.seconds_by_class.size(); ++i)
            if (const auto& seconds = counts.seconds_by_class[i])
                out.sample(*seconds, {{"route", path_of(counts)},
                                      {"method", method_of(counts)},
                                      {"code_class", std::to_string(i) + "xx"}});
    out.single("seqrec_http_in_flight", "gauge", "Requests under way, streams included.",
               counters.in_flight());
}

struct NamedPool {
    std::string_view name;
    const Pool& pool;
};
using Pools = std::initializer_list<NamedPool>;

/// A sample a pool; Part is what a pool has it in, and says whether it may fall.
template <typename Part, typename Number>
void write_each(Exposition& out, Pools pools, std::string_view name, std::string_view help,
                Number Part::*field) {
    constexpr bool counts = std::is_same_v<Part, PoolStatistics>;
    out.family(name, counts ? "counter" : "gauge", help);
    for (const auto& [label, pool] : pools) {
        if constexpr (counts)
            out.sample(static_cast<double>(pool.statistics().*field), {{"pool", label}});
        else
            out.sample(static_cast<double>(pool.state().*field), {{"pool", label}});
    }
}

void write_pools(Exposition& out, Pools pools) {
    out.family("seqrec_db_query_duration_seconds", "histogram", "Time from sending a query to its answer.");
    for (const auto& [label, pool] : pools) out.sample(pool.statistics().query_seconds, {{"pool", label}});
    write_each(out, pools, "seqrec_db_pool_max", "Connections there may be.", &PoolState::size);
    write_each(out, pools, "seqrec_db_pool_open", "Connections there are.", &PoolState::open);
    write_each(out, pools, "seqrec_db_pool_available", "Connections that have nothing to do.",
               &PoolState::available);
    write_each(out, pools, "seqrec_db_pool_in_flight", "Queries sent and not answered.",
               &PoolState::in_flight);
    write_each(out, pools, "seqrec_db_pool_waiting", "Queries that wait for a connection.",
               &PoolState::waiting);
    write_each(out, pools, "seqrec_db_pool_timeouts_total",
               "Queries that met their deadline (504 deadline-exceeded).", &PoolStatistics::timeouts);
    write_each(out, pools, "seqrec_db_pool_overflows_total", "Queries turned away by a full queue (503).",
               &PoolStatistics::turned_away);
    write_each(out, pools, "seqrec_db_unavailable_total", "Queries that found no database (503).",
               &PoolStatistics::unavailable);
    write_each(out, pools, "seqrec_db_reconnects_total", "Connections opened in place of lost or old ones.",
               &PoolStatistics::reconnects);
    write_each(out, pools, "seqrec_db_connections_lost_total", "Connections that broke.",
               &PoolStatistics::lost);
    write_each(out, pools, "seqrec_db_connect_failures_total", "Attempts to connect that failed.",
               &PoolStatistics::connect_failures);
}

void write_answers(Exposition& out, const Counters& counters, const Pool& pool) {
    out.family("seqrec_batch_size", "histogram", "Requests answered by one call of the database.");
    out.sample(pool.statistics().batch_sizes);
    out.single("seqrec_recommend_fallback_total", "counter", "Answers that were not personal.",
               static_cast<double>(counters.fallbacks()));
    out.single("seqrec_history_unavailable_total", "counter", "Users whose own rows could not be read.",
               static_cast<double>(counters.histories_unavailable()));
    out.single("seqrec_unknown_item_ids_total", "counter", "Clicks that the model did not know.",
               static_cast<double>(counters.unknown_ids()));
}

/// One family of all rows, from a column with numbers as text; NULL is left out.
void write_column(Exposition& out, const Rows& rows, int column, std::string_view name, std::string_view help,
                  std::string_view type = "gauge") {
    out.family(name, type, help);
    for (int row = 0; row < rows.size(); ++row)
        if (const auto text = std::string(rows.text(row, column)); !text.empty())
            out.sample(std::strtod(text.c_str(), nullptr), {{"model", rows.text(row, 0)}});
}

void write_models(Exposition& out, const Rows& rows) {
    out.family("seqrec_model_info", "gauge", "Active models.");
    for (int row = 0; row < rows.size(); ++row)
        out.sample(1, {{"model", rows.text(row, 0)},
                       {"version", rows.text(row, 1)},
                       {"kind", rows.text(row, 2)},
                       {"model_id", rows.text(row, 3)}});
    write_column(out, rows, 4, "seqrec_model_items", "Items of the active model.");
    write_column(out, rows, 5, "seqrec_model_users", "Users of the active model.");
    write_column(out, rows, 6, "seqrec_model_trained_timestamp_seconds",
                 "When the active model was published.");
    write_column(out, rows, 7, "seqrec_model_ndcg", "NDCG@10 of the active model on held-out items.");
    write_column(out, rows, 8, "seqrec_model_popularity_ndcg", "NDCG@10 of the most popular items.");
}

void write_trainings(Exposition& out, const Rows& rows) {
    out.single("seqrec_trainings_running", "gauge", "Trainings under way.", rows.size());
    write_column(out, rows, 1, "seqrec_training_percent", "How far a training is.");
    write_column(out, rows, 2, "seqrec_training_epoch", "Passes over the data.");
    write_column(out, rows, 3, "seqrec_training_loss", "Loss of a training.");
}

void write_outcomes(Exposition& out, const Rows& rows) {
    write_column(out, rows, 1, "seqrec_trainings_failed_total", "Trainings that failed.", "counter");
    write_column(out, rows, 2, "seqrec_training_last_success_timestamp_seconds",
                 "When the latest training that came to its end did so.");
}

void write_process(Exposition& out) {
    const auto process = process_statistics();
    out.single("process_resident_memory_bytes", "gauge", "Memory in use.", process.resident_bytes);
    out.single("process_cpu_seconds_total", "counter", "CPU time.", process.cpu_seconds);
    out.single("process_open_fds", "gauge", "Open files.", process.open_files);
    out.single("process_max_fds", "gauge", "Most open files.", process.max_files);
    out.single("process_start_time_seconds", "gauge", "When the process began.", process.started_at);
    out.family("seqrec_build_info", "gauge", "Version of seqrec-http.");
    out.sample(1, {{"version", SEQREC_VERSION}});
}

asio::awaitable<Response> answer_metrics(const Services& services, ModelWatch& watch) {
    Exposition out;
    write_requests(out, services.counters);
    write_pools(out, {{"read", services.pool}, {"write", services.writing_pool}});
    watch.refresh();  // after the pools' state was read, which its queries would be part of
    write_answers(out, services.counters, services.pool);
    if (watch.models()) write_models(out, *watch.models());
    if (watch.trainings()) write_trainings(out, *watch.trainings());
    if (watch.outcomes()) write_outcomes(out, *watch.outcomes());
    write_process(out);
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = out.text();
    co_return response;
}

}  // namespace

void add_metrics_routes(Router& router, const Services& services) {
    auto watch = std::make_shared<ModelWatch>(services.pool);
    router.add({"GET", "/metrics", false,
                [services, watch](const Request&) { return answer_metrics(services, *watch); },
                Access::Bearer});
}

}  // namespace seqrec::sidecar
