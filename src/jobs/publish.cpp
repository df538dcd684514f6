#include "jobs/publish.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "core/files/safetensors.hpp"
#include "core/kinds/kind.hpp"

#include "jobs/copy_in.hpp"
#include "jobs/model_lock.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/settings.hpp"
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

/// The ids of one side of the dataset, in index order.
struct IdColumn {
    std::span<const std::int64_t> offsets;
    std::span<const std::uint8_t> bytes;

    /// They must lie within their bytes, or rows would be made of somebody's memory.
    IdColumn(const SafetensorsFile& dataset, const std::string& prefix)
        : offsets(dataset.get<std::int64_t>(prefix + ".id.offsets", {-1})),
          bytes(dataset.get<std::uint8_t>(prefix + ".id.bytes", {-1})) {
        if (offsets.empty() || offsets.front() != 0 || !std::is_sorted(offsets.begin(), offsets.end()) ||
            offsets.back() != static_cast<std::int64_t>(bytes.size()))
            throw Error(sqlstate::kDataCorrupted,
                        "the dataset's " + prefix + ".id.offsets do not span its ids",
                        "Give the job up with seqrec_cancel and start again with seqrec_train.");
    }

    std::int64_t count() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
    std::string_view operator[](std::int64_t index) const {
        const auto at = static_cast<std::size_t>(index);
        return {reinterpret_cast<const char*>(bytes.data()) + offsets[at],
                static_cast<std::size_t>(offsets[at + 1] - offsets[at])};
    }
};

[[noreturn]] void bad_model(const std::string& what, const char* hint = "") {
    throw Error(sqlstate::kDataCorrupted, what, hint);
}

void check_finite(std::span<const float> values, const char* name) {
    if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); }))
        bad_model(std::string("the trained ") + name + " is not finite", "Try a smaller learning_rate.");
}

/// Rows of `width` numbers.
struct Matrix {
    std::span<const float> values;
    std::int64_t width;

    Matrix(const SafetensorsFile& model, const char* name, std::int64_t rows)
        : values(model.get<float>(name, {rows, -1})), width(model.tensor(name).shape.at(1)) {
        check_finite(values, name);
    }
    std::span<const float> operator[](std::int64_t row) const {
        return values.subspan(static_cast<std::size_t>(row * width), static_cast<std::size_t>(width));
    }
};

bool all_below(std::span<const std::int32_t> indexes, std::int64_t limit) {
    return std::all_of(indexes.begin(), indexes.end(),
                       [&](std::int32_t at) { return at >= 0 && at < limit; });
}

/// What each user has seen.
struct SeenItems {
    std::span<const std::int64_t> offsets;
    std::span<const std::int32_t> items;

    SeenItems(const SafetensorsFile& model, std::int64_t users, std::int64_t catalogue)
        : offsets(model.get<std::int64_t>("user.seen.offsets", {users + 1})),
          items(model.get<std::int32_t>("user.seen.items", {-1})) {
        if (offsets.front() != 0 || offsets.back() != static_cast<std::int64_t>(items.size()) ||
            !std::is_sorted(offsets.begin(), offsets.end()))
            bad_model("the trained user.seen.offsets do not span user.seen.items");
        if (!all_below(items, catalogue))
            bad_model("the trained user.seen.items name items that are not there");
    }
    std::span<const std::int32_t> operator[](std::int64_t user) const {
        const auto at = static_cast<std::size_t>(user);
        return items.subspan(static_cast<std::size_t>(offsets[at]),
                             static_cast<std::size_t>(offsets[at + 1] - offsets[at]));
    }
};

/// The two files of a job, checked against each other; every tensor is looked up once.
struct Files {
    SafetensorsFile model, dataset;
    IdColumn item_ids, user_ids;
    Matrix item_rows, user_rows;
    std::span<const float> popularity;
    std::span<const double> seen_until;
    SeenItems seen;
    std::span<const std::int32_t> lists;  // of each item; empty without an index
    std::int64_t model_id = 0;

    explicit Files(const std::string& folder)
        : model(open_model(folder)),
          dataset(SafetensorsFile::open(folder + "/dataset.safetensors")),
          item_ids(dataset, "item"),
          user_ids(dataset, "user"),
          item_rows(model, "item.embedding", item_ids.count()),
          user_rows(model, "user.embedding", user_ids.count()),
          popularity(model.get<float>("item.popularity", {item_ids.count()})),
          seen_until(model.get<double>("user.seen_until", {user_ids.count()})),
          seen(model, user_ids.count(), item_ids.count()) {
        check_finite(popularity, "item.popularity");
        read_lists();
    }

    static SafetensorsFile open_model(const std::string& folder) {
        SafetensorsFile file = SafetensorsFile::open(folder + "/model.safetensors");
        if (file.meta("format") != "seqrec-model/2")
            bad_model("the trainer wrote a model of an unknown format",
                      "Install the seqrec-trainer that belongs to this version of the extension.");
        (void)kind_of(file);
        (void)ScoreForm::parse(file.meta("score"));
        return file;
    }

    void read_lists() {
        const auto count = nlohmann::json::parse(model.meta("config")).value("lists", std::int64_t{0});
        if ((count > 0) != model.contains("item.list")) bad_model("the trainer wrote half of an index");
        if (count <= 0) return;
        check_finite(model.get<float>("list.centroid", {count, item_rows.width}), "list.centroid");
        lists = model.get<std::int32_t>("item.list", {item_ids.count()});
        if (!all_below(lists, count)) bad_model("the trained item.list names lists that are not there");
    }
};

bool is_weight(const std::string& name) {
    return !name.starts_with("item.") && !name.starts_with("user.") && !name.starts_with("pad.");
}

bool item_row(std::int64_t index, std::string& buffer, const void* state) {
    const auto& files = *static_cast<const Files*>(state);
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
    const auto& files = *static_cast<const Files*>(state);
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

/// The row of seqrec.models, not active yet; returns model_id and version through `published`.
void insert_model(const Job& job, const char* score, const char* config, const char* metrics,
                  const Files* files, Published* published) {
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

/// Who the job belongs to by now, and what its relation is called by now: both may have changed since it began.
Oid adopt_job(const Job& job, std::int64_t model_id) {
    run_sql(
        R"sql(
UPDATE seqrec.models m
SET owner = j.owner, source = j.source || coalesce(
  (SELECT jsonb_build_object('relation', format('%I.%I', n.nspname, c.relname))
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = (j.source->>'relation_id')::oid), '{}')
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

/// What has been written so far becomes visible to the statements that follow.
void see_own_rows() {
    CommandCounterIncrement();
    PopActiveSnapshot();
    PushActiveSnapshot(GetTransactionSnapshot());
}

}  // namespace

bool find_owner(const char* name, Oid* owner, std::int64_t but_version) {
    const auto rows = run_sql(
        R"sql(
SELECT owner FROM seqrec.models WHERE name = $1 AND model_id <> $2
ORDER BY active DESC, model_id DESC LIMIT 1
)sql",
        {text_param(name), bigint_param(but_version)});
    *owner = rows == 1 ? spi_oid(0, 1) : InvalidOid;
    return rows == 1;
}

void activate_version(std::int64_t model_id, const char* name) {
    run_sql(
        R"sql(
UPDATE seqrec.models SET active = false, pinned = false
WHERE name = $1 AND (active OR pinned) AND model_id <> $2
)sql",
        {text_param(name), bigint_param(model_id)});
    run_sql(
        R"sql(
UPDATE seqrec.models SET active = true, pinned = false
WHERE model_id = $1 AND (NOT active OR pinned)
)sql",
        {bigint_param(model_id)});
}

bool pin_active_version(const char* name) {
    return run_sql("UPDATE seqrec.models SET pinned = true WHERE name = $1 AND active", {text_param(name)}) ==
           1;
}

void delete_version(std::int64_t model_id, const char* version) {
    remove_snapshot_at_commit(version);
    for (const char* sql :
         {"DELETE FROM seqrec.items WHERE model_id = $1", "DELETE FROM seqrec.users WHERE model_id = $1",
          "DELETE FROM seqrec.weights WHERE model_id = $1", "DELETE FROM seqrec.models WHERE model_id = $1"})
        run_sql(sql, {bigint_param(model_id)});
}

void delete_old_versions(const char* name) {
    if (settings::keep_versions == 0) return;
    const RoleScope scope = spi_enter();
    lock_model(name);
    const auto rows = run_sql(
        R"sql(
SELECT model_id, version::text
FROM (SELECT *, max(model_id) OVER () AS latest FROM seqrec.models WHERE name = $1) m
WHERE NOT active AND NOT pinned AND (model_id < latest OR $2 > 0)
ORDER BY model_id DESC OFFSET $2
)sql",
        {text_param(name), int_param(settings::keep_versions - 1)});
    SPITupleTable* table = SPI_tuptable;
    for (std::uint64_t row = 0; row < rows; ++row) {
        SPI_tuptable = table;
        const std::int64_t model_id = spi_bigint(row, 1);
        delete_version(model_id, spi_text(row, 2));
    }
    spi_leave(scope);
}

namespace {

// --- whether a new version is activated ---

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

struct Decision {
    bool activates;
    const char* told;  // null where it is what everybody expects
};

Decision decide_better(const ActiveVersion& active, const Comparison& found) {
    if (!found.made) return {true, "the version was activated without being compared with the active one"};
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

/// Under the lock on the name, so that nobody activates or pins meanwhile.
Decision decide(const char* wanted, const ActiveVersion& active, std::int64_t model_id) {
    if (strcmp(wanted, "never") == 0) return {false, "the version was not activated: activate is \"never\""};
    if (active.pinned)
        return {false, psprintf("the version was not activated: version " INT64_FORMAT " is pinned",
                                active.model_id)};
    if (strcmp(wanted, "better") != 0) return {true, nullptr};
    if (!active.exists) return {true, "the version was activated: there was none to compare it with"};
    return decide_better(active, read_comparison(model_id));
}

const char* wanted_activation(const Job& job) {
    return guarded(
        [&] { return palloc_copy(nlohmann::json::parse(to_utf8(job.options)).value("activate", "always")); });
}

void activate_as_asked(const Job& job, MemoryContext outside, Published* published) {
    const Decision decision = decide(wanted_activation(job), find_active(job.model), published->model_id);
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
        Files files(folder);
        nlohmann::json metrics = nlohmann::json::parse(files.model.meta("metrics"));
        metrics.update(nlohmann::json::parse(export_metrics));
        if (files.model.meta("kind") != job.kind)
            bad_model("the trainer wrote a model of kind \"" + files.model.meta("kind") + "\", not \"" +
                      job.kind + "\"");
        const std::string config = files.model.meta("config"), score = files.model.meta("score");
        Published result{};
        const std::string first = json_text(metrics);
        postgres([&] {
            insert_model(job, score.c_str(), config.c_str(), first.c_str(), &files, &result);
            lock_version(result.version);  // nobody sweeps its file away before this transaction commits
        });
        files.model_id = result.model_id;
        for (const auto& [name, tensor] : files.model.tensors()) {
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
