#include "api/model_watch.hpp"

namespace seqrec::sidecar {
namespace {

constexpr std::chrono::seconds kWatchPause{2};

// Names are labels of metrics, so there is a bound on how many there are.
constexpr Statement kWatchedModels = {"seqrec_watch_models", R"sql(
SELECT model, version::pg_catalog.text, kind, model_id::pg_catalog.text, n_items::pg_catalog.text,
       n_users::pg_catalog.text, pg_catalog.extract('epoch', created_at)::pg_catalog.text,
       metrics OPERATOR(pg_catalog.->>) 'ndcg@10', metrics OPERATOR(pg_catalog.->>) 'popularity_ndcg@10'
FROM seqrec.http_models() WHERE active ORDER BY model LIMIT 50
)sql"};
constexpr Statement kTrainings = {"seqrec_watch_trainings", R"sql(
SELECT model, percent::pg_catalog.text, epoch::pg_catalog.text, loss::pg_catalog.text
FROM seqrec.http_jobs()
WHERE finished_at IS NULL
  AND state OPERATOR(pg_catalog.=) ANY ('{queued,exporting,training,publishing}'::pg_catalog.text[])
ORDER BY model LIMIT 50
)sql"};

// A model without a failure counts 0, so that its first one is an increase. What could not go on, and may once that is mended, failed
// too; whose worker is gone has no error. A refresh of items that fails is a failure; one that is
// done is no training.
constexpr Statement kOutcomes = {"seqrec_watch_outcomes", R"sql(
SELECT model, pg_catalog.count(*) FILTER (WHERE state OPERATOR(pg_catalog.=) 'failed' OR state OPERATOR(pg_catalog.=) 'interrupted' AND sqlstate IS NOT NULL)::pg_catalog.text,
       pg_catalog.extract('epoch', pg_catalog.max(finished_at)
           FILTER (WHERE state OPERATOR(pg_catalog.=) 'done' AND refreshes IS NULL))::pg_catalog.text
FROM seqrec.http_jobs() GROUP BY model ORDER BY model LIMIT 50
)sql"};

}  // namespace

void ModelWatch::refresh() {
    if (asked_at_ && Clock::now() < *asked_at_ + kWatchPause) return;
    asked_at_ = Clock::now();
    look(kWatchedModels, models_);
    look(kTrainings, trainings_);
    look(kOutcomes, outcomes_);
}

void ModelWatch::look(const Statement& statement, std::optional<Rows>& rows) {
    pool_.submit({&statement, {}}, [self = shared_from_this(), &rows](Outcome outcome) {
        if (auto* answer = std::get_if<Rows>(&outcome)) rows = std::move(*answer);
    });
}

}  // namespace seqrec::sidecar
