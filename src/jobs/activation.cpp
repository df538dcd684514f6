#include "jobs/activation.hpp"

#include <cstdlib>
#include <cstring>

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"

namespace seqrec {
namespace {

struct ActiveVersion {
    bool exists, pinned;
    std::int64_t model_id;
    const char* version;
};

ActiveVersion find_active(const char* name) {
    const bool found =
        run_sql("SELECT model_id, version, pinned FROM seqrec.models WHERE name = $1 AND active",
                {text_param(name)}) == 1;
    if (!found) return {};
    return {true, spi_text(0, 3)[0] == 't', spi_bigint(0, 1), spi_text(0, 2)};
}

/// What the trainer found when it ranked the held-out rows with the active version too.
struct Comparison {
    bool made;
    const char* with;  // the version
    double difference, error;
};

Comparison read_comparison(std::int64_t model_id) {
    const auto rows = run_sql(
        R"sql(
SELECT metrics->>'compared_version', metrics->>'ndcg@10_difference', metrics->>'ndcg@10_standard_error'
FROM seqrec.models
WHERE model_id = $1 AND jsonb_typeof(metrics->'ndcg@10_difference') = 'number'
  AND jsonb_typeof(metrics->'ndcg@10_standard_error') = 'number' AND metrics ? 'compared_version'
)sql",
        {bigint_param(model_id)});
    if (rows != 1) return {};
    return {true, spi_text(0, 1), strtod(spi_text(0, 2), nullptr), strtod(spi_text(0, 3), nullptr)};
}

/// Where the data have not changed the active version was measured on the same rows, before it was told them:
/// what each row gains lies in [0, 1], so that its variance is at most m (1 - m) around the mean m.
Comparison read_measured(std::int64_t model_id, const ActiveVersion& active) {
    const auto rows = run_sql(
        "SELECT ours - theirs, sqrt((ours * (1 - ours) + theirs * (1 - theirs)) / n) "
        "FROM (SELECT (o.metrics->>'ndcg@10')::float8 AS ours, (t.metrics->>'ndcg@10')::float8 AS theirs, "
        "             nullif((o.metrics->>'rows_evaluated')::float8, 0) AS n "
        "      FROM seqrec.models o, seqrec.models t WHERE o.model_id = $1 AND t.model_id = $2 "
        "      AND (SELECT bool_and(o.metrics->key = t.metrics->key) FROM unnest(ARRAY['rows', 'users', "
        "'items', "
        "           'interactions', 'rows_evaluated', 'protocol']) AS key)) m "
        "WHERE ours IS NOT NULL AND theirs IS NOT NULL AND n IS NOT NULL",
        {bigint_param(model_id), bigint_param(active.model_id)});
    if (rows != 1) return {};
    return {true, active.version, strtod(spi_text(0, 1), nullptr), strtod(spi_text(0, 2), nullptr)};
}

Activation decide_better(const ActiveVersion& active, const Comparison& found) {
    if (!found.made)
        return {false,
                psprintf("the version was not activated: it could not be compared with version " INT64_FORMAT,
                         active.model_id)};
    if (strcmp(found.with, active.version) != 0)
        return {false, psprintf("the version was not activated: version " INT64_FORMAT
                                " has been activated since the training began",
                                active.model_id)};
    if (found.difference >= -found.error) return {true, nullptr};
    return {
        false,
        psprintf("the version was not activated: its NDCG@10 is %.4f lower than that of version " INT64_FORMAT
                 ", with a standard error of %.4f",
                 -found.difference, active.model_id, found.error)};
}

/// The weights of a refresh are those of the version that it refreshed: they don't replace newer ones.
Activation decide_refreshed(const char* refreshed, const ActiveVersion& active) {
    if (active.exists && active.pinned)
        return {false, psprintf("the version was not activated: version " INT64_FORMAT " is pinned",
                                active.model_id)};
    if (active.exists && strcmp(active.version, refreshed) == 0) return {true, nullptr};
    return {false,
            active.exists
                ? psprintf("the version was not activated: version " INT64_FORMAT
                           " has been activated since the refresh began",
                           active.model_id)
                : "the version was not activated: the version that was refreshed is not active any more"};
}

/// Under the lock on the name, so that nobody activates or pins meanwhile.
Activation decide(const char* wanted, const ActiveVersion& active, std::int64_t model_id) {
    if (strcmp(wanted, "never") == 0) return {false, "the version was not activated: activate is \"never\""};
    if (active.pinned)
        return {false, psprintf("the version was not activated: version " INT64_FORMAT " is pinned",
                                active.model_id)};
    if (strcmp(wanted, "better") != 0) return {true, nullptr};
    if (!active.exists) return {true, "the version was activated: there was none to compare it with"};
    const Comparison measured = read_measured(model_id, active);
    return decide_better(active, measured.made ? measured : read_comparison(model_id));
}

}  // namespace

Activation decide_activation(const Job& job, std::int64_t model_id) {
    if (job.refreshes) return decide_refreshed(job.refreshes, find_active(job.model));
    return decide(job.options.activate, find_active(job.model), model_id);
}

}  // namespace seqrec
