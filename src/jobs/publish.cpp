#include "jobs/publish.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "jobs/activation.hpp"
#include "jobs/copy_in.hpp"
#include "jobs/model_lock.hpp"
#include "jobs/trained_files.hpp"
#include "jobs/version_rows.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "serving/snapshot_files.hpp"
#include "serving/snapshot_store.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
}

namespace seqrec {
namespace {

bool item_row(std::int64_t index, std::string& buffer, const void* state) {
    const auto& files = *static_cast<const TrainedFiles*>(state);
    if (index >= files.item_ids.count()) return false;
    const auto at = static_cast<std::size_t>(index);
    CopyRow row(buffer, 6);
    row.bigint(files.model_id);
    row.integer(static_cast<std::int32_t>(index));
    row.text(files.item_ids[index]);
    row.real(files.popularity[at]);
    row.reals(files.item_rows[index]);
    if (files.lists.empty())
        row.null();
    else
        row.integer(files.lists[at]);
    return true;
}

bool user_row(std::int64_t index, std::string& buffer, const void* state) {
    const auto& files = *static_cast<const TrainedFiles*>(state);
    if (index >= files.user_ids.count()) return false;
    CopyRow row(buffer, 6);
    row.bigint(files.model_id);
    row.integer(static_cast<std::int32_t>(index));
    row.text(files.user_ids[index]);
    row.number(files.seen_until[static_cast<std::size_t>(index)]);
    row.reals(files.user_rows[index]);
    row.integers(files.seen[index]);
    return true;
}

Param bytes_param(std::span<const std::byte> bytes) {
    bytea* value = static_cast<bytea*>(palloc(bytes.size() + VARHDRSZ));
    SET_VARSIZE(value, bytes.size() + VARHDRSZ);
    memcpy(VARDATA(value), bytes.data(), bytes.size());
    return {BYTEAOID, PointerGetDatum(value), false};
}

Param shape_param(const std::int64_t* lengths, int count) {
    Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * static_cast<Size>(count)));
    for (int i = 0; i < count; ++i) values[i] = Int64GetDatum(lengths[i]);
    ArrayType* array =
        construct_array(values, count, INT8OID, sizeof(std::int64_t), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    return {INT8ARRAYOID, PointerGetDatum(array), false};
}

void insert_weight(std::int64_t model_id, const char* name, const char* dtype, const std::int64_t* shape,
                   int dimensions, std::span<const std::byte> bytes) {
    const std::size_t step = kWeightPart;
    for (std::size_t part = 0; part == 0 || part * step < bytes.size(); ++part)
        run_sql(
            R"sql(
INSERT INTO seqrec.weights (model_id, name, part, dtype, shape, data)
VALUES ($1, $2, $3, $4, $5, $6)
)sql",
            {bigint_param(model_id), text_param(name), int_param(static_cast<std::int32_t>(part)),
             text_param(dtype), shape_param(shape, dimensions),
             bytes_param(bytes.subspan(part * step, std::min(step, bytes.size() - part * step)))});
}

/// What was measured of the version that a refresh began with: its weights are the same. "{}" for a training.
const char* metrics_before(const Job& job) {
    if (!job.refreshes) return "{}";
    const bool found = run_sql("SELECT metrics FROM seqrec.models WHERE version = $1::uuid",
                               {text_param(job.refreshes)}) == 1;
    return found ? spi_text(0, 1) : "{}";
}

/// What is said of the new version.
nlohmann::json metrics_of(const Job& job, const TrainedFiles& files, const char* export_metrics) {
    const char* before = postgres([&] { return metrics_before(job); });
    nlohmann::json metrics = nlohmann::json::parse(before);
    metrics.update(nlohmann::json::parse(files.model.meta("metrics")));
    metrics.update(nlohmann::json::parse(export_metrics));
    return metrics;
}

/// The row of seqrec.models, not active yet; returns model_id and version through `published`.
void insert_model(const Job& job, const char* score, const char* config, const char* metrics,
                  const TrainedFiles* files, Published* published) {
    // A number may be taken by a row that came without the sequence: by replication, or from a dump.
    const auto rows = run_sql(
        R"sql(
INSERT INTO seqrec.models (model_id, name, kind, owner, source, score, config, metrics, dim, n_users, n_items)
SELECT greatest(n, (SELECT max(nextval('seqrec.models_model_id_seq')) FROM generate_series(n, most))),
       $1, $2, $3, $4::jsonb, $10::jsonb, $5::jsonb, $6::jsonb, $7, $8, $9
FROM (SELECT nextval('seqrec.models_model_id_seq') AS n) s,
     (SELECT coalesce(max(model_id), 0) AS most FROM seqrec.models) m
RETURNING model_id, version
)sql",
        {text_param(job.model), text_param(job.kind), role_param(job.owner), text_param(job.source),
         text_param(config), text_param(metrics),
         int_param(static_cast<std::int32_t>(files->item_rows.width)), bigint_param(files->user_ids.count()),
         bigint_param(files->item_ids.count()), text_param(score)});
    if (rows != 1) elog(ERROR, "could not insert the model");
    published->model_id = spi_bigint(0, 1);
    published->version = spi_text(0, 2);
}

void set_metrics(std::int64_t model_id, const char* metrics) {
    run_sql("UPDATE seqrec.models SET metrics = $2::jsonb WHERE model_id = $1",
            {bigint_param(model_id), text_param(metrics)});
}

/// Who the job belongs to by now, and what its relations are called by now: both may have changed since it
/// began.
Oid adopt_job(const Job& job, std::int64_t model_id) {
    run_sql(
        R"sql(
UPDATE seqrec.models m
SET owner = j.owner, source = seqrec.named_source(j.source)
FROM seqrec.jobs j WHERE m.model_id = $1 AND j.job_id = $2 AND j.uuid = $3
RETURNING m.owner
)sql",
        {bigint_param(model_id), bigint_param(job.key.id), uuid_param(job.key.uuid)});
    return SPI_processed == 1 ? spi_oid(0, 1) : InvalidOid;
}

/// A version gets the owner that its name has, whoever trained it; ERROR when the job's owner may not replace
/// that one's model any more. Asked for under the lock on the name, so that the answer stays true.
void keep_owner(const Job& job, std::int64_t model_id) {
    const Oid trained_by = adopt_job(job, model_id);
    Oid owner;
    const bool is_first = !find_owner(job.model, &owner, model_id);
    if (is_first || (!role_exists(owner) && superuser_arg(trained_by))) return;
    if (!role_exists(trained_by) || !has_privs_of_role(trained_by, owner))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("model \"%s\" belongs to role \"%s\" now", job.model, role_name(owner)),
                        errhint("A superuser can give model and job to one role with seqrec_set_owner.")));
    run_sql("UPDATE seqrec.models SET owner = $2 WHERE model_id = $1 AND owner <> $2",
            {bigint_param(model_id), role_param(owner)});
}

/// A model that was dropped meanwhile does not come back by a refresh.
void expect_refreshed(const Job& job) {
    if (!job.refreshes) return;
    if (run_sql("SELECT 1 FROM seqrec.models WHERE version::text = $1", {text_param(job.refreshes)}) == 1)
        return;
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("the version that is refreshed, %s, has been dropped", job.refreshes),
                    errhint("Call seqrec_refresh_items again, or train the model anew.")));
}

/// What has been written so far becomes visible to the statements that follow.
void see_own_rows() {
    CommandCounterIncrement();
    PopActiveSnapshot();
    PushActiveSnapshot(GetTransactionSnapshot());
}

void activate_as_asked(const Job& job, MemoryContext outside, Published* published) {
    const Activation decision = decide_activation(job, published->model_id);
    published->activated = decision.activates;
    if (decision.activates) activate_version(published->model_id, job.model);
    if (!decision.told) return;
    published->told = MemoryContextStrdup(
        outside, decision.activates ? decision.told
                                    : psprintf("%s. SELECT seqrec_activate(" INT64_FORMAT ") activates it.",
                                               decision.told, published->model_id));
}

}  // namespace

Published publish_model(const Job& job, const char* folder, const char* export_metrics) {
    using Clock = std::chrono::steady_clock;
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const Oid items = catalog_table("items"), users = catalog_table("users");
    Published published = guarded([&] {
        const Clock::time_point start = Clock::now();
        TrainedFiles files(folder);
        nlohmann::json metrics = metrics_of(job, files, export_metrics);
        files.expect_kind(job.kind);
        const std::string config = files.model.meta("config"), score = files.model.meta("score");
        Published result{};
        const std::string first = json_text(metrics);
        postgres([&] {
            insert_model(job, score.c_str(), config.c_str(), first.c_str(), &files, &result);
            lock_version(result.version);  // nobody sweeps its file away before this transaction commits
        });
        files.model_id = result.model_id;
        for (const auto& entry : files.model.tensors()) {  // clang captures no structured bindings before 16
            const std::string& name = entry.first;
            const Tensor& tensor = entry.second;
            if (!is_weight(name)) continue;
            const std::string dtype(dtype_name(tensor.dtype));
            postgres([&] {
                insert_weight(result.model_id, name.c_str(), dtype.c_str(), tensor.shape.data(),
                              static_cast<int>(tensor.shape.size()), tensor.bytes);
            });
        }
        postgres([&] {
            copy_into(items, item_row, &files);
            copy_into(users, user_row, &files);
            see_own_rows();
            build_snapshot(result.model_id, result.version);
        });
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        metrics["publish_seconds"] = seconds;
        metrics["publish_rows_per_s"] =
            static_cast<double>(files.item_ids.count() + files.user_ids.count()) / std::max(seconds, 1e-6);
        const std::string all = json_text(metrics);
        postgres([&] {
            set_metrics(result.model_id, all.c_str());
            // The name is locked last: for moments, whatever the version's size. Another transaction that has
            // it may make this one wait, but not fail.
            lock_model(job.model);
            expect_refreshed(job);
            keep_owner(job, result.model_id);
            activate_as_asked(job, outside, &result);
            result.version = MemoryContextStrdup(outside, result.version);
        });
        metrics["activated"] = result.activated;
        const std::string told = json_text(metrics);
        postgres([&] { result.metrics = MemoryContextStrdup(outside, told.c_str()); });
        return result;
    });
    spi_leave(scope);
    return published;
}

}  // namespace seqrec
