#include "api/model_watch.hpp"

namespace seqrec::sidecar {
namespace {

constexpr std::chrono::seconds kPause{2};

// Names are labels of metrics, so there is a bound on how many there are.
constexpr Statement kModels = {
    "seqrec_watch_models",
    "SELECT model, version::text, kind, model_id::text, n_items::text, n_users::text, "
    "extract(epoch FROM created_at)::text, metrics->>'ndcg@10', metrics->>'popularity_ndcg@10' "
    "FROM seqrec_models WHERE active ORDER BY model LIMIT 50"};
constexpr Statement kTrainings = {
    "seqrec_watch_trainings",
    "SELECT model, percent::text, epoch::text, loss::text FROM seqrec_jobs WHERE finished_at IS NULL "
    "AND state IN ('queued', 'exporting', 'training', 'publishing') ORDER BY model LIMIT 50"};

}  // namespace

void ModelWatch::refresh() {
    if (asked_at_ && Clock::now() < *asked_at_ + kPause) return;
    asked_at_ = Clock::now();
    look(kModels, models_);
    look(kTrainings, trainings_);
}

void ModelWatch::look(const Statement& statement, std::optional<Rows>& rows) {
    pool_.submit({&statement, {}}, [self = shared_from_this(), &rows](Outcome outcome) {
        if (auto* answer = std::get_if<Rows>(&outcome)) rows = std::move(*answer);
    });
}

}  // namespace seqrec::sidecar
