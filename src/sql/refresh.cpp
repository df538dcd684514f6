// seqrec_refresh_items: a new version of the same weights over the table of items as it is now.
#include <nlohmann/json.hpp>

#include "core/kinds/kind.hpp"
#include "core/options.hpp"

#include "jobs/dataset_export.hpp"
#include "jobs/job_store.hpp"
#include "jobs/trainer_process.hpp"
#include "jobs/worker.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/data_folder.hpp"
#include "sql/worker_login.hpp"

extern "C" {
#include "access/xlog.h"
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

using nlohmann::json;

/// What there is to refresh. Plain data, palloc'd.
struct Refreshed {
    char *version, *kind, *source, *config;
    Oid owner;
};

Refreshed find_refreshed(const char* model) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const bool found =
        run_sql("SELECT version, kind, source, config, owner FROM seqrec.models WHERE name = $1 AND active",
                {text_param(model)}) == 1;
    const auto keep = [&](int number) {
        return found ? MemoryContextStrdup(outside, spi_text(0, number)) : nullptr;
    };
    const Refreshed refreshed{keep(1), keep(2), keep(3), keep(4), found ? spi_oid(0, 5) : InvalidOid};
    spi_leave(scope);
    if (!found)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("there is no active version of model \"%s\"", model),
                        errhint("Train one with seqrec_train; the view seqrec_models shows what there is.")));
    require_role(refreshed.owner, psprintf("model \"%s\"", model));
    return refreshed;
}

/// The kinds whose items may be told apart by words: others know them by who had them.
void expect_text_kind(const Kind& kind) {
    if (kind.needs.text) return;
    std::string able;
    for (const Kind* other : kinds())
        if (other->needs.text) able += (able.empty() ? "" : ", ") + std::string(other->name);
    throw Error(sqlstate::kFeatureNotSupported,
                "the items of a model of kind \"" + std::string(kind.name) + "\" can't be refreshed",
                "Train it anew with seqrec_train. Kinds that can be refreshed: " + able + ".");
}

/// The model knows items by their words, vectors or columns, or only by who had them.
void expect_content(const json& source, const json& config) {
    const json content = config.value("content", json());
    const bool reads = source.contains("items") && source.at("items").contains("text");
    if (reads && content.is_object() && !content.empty()) return;
    throw Error(
        sqlstate::kNotReady,
        reads ? "the model does without what its table of items says"
              : "the model was trained without text or vectors of its items",
        "Train it with items => 'table' and the option item_text or item_vector, then new items can be "
        "added without a training.");
}

/// The options of its training, as far as they were kept, with the columns that were decided on. Whether the version is
/// activated is not theirs to say: a refresh never makes a model worse on what it knew.
json options_again(const Kind& kind, const json& items, const json& config) {
    json options = json::object();
    for (const OptionSpec& spec : option_specs(kind.name))
        if (const auto kept = config.find(spec.name); kept != config.end())
            options[std::string(spec.name)] = *kept;
    const auto keep = [&](const char* option, const char* key) {
        if (options.contains(option) || std::string_view(option).starts_with("item_"))
            options[option] = items.value(key, json());
    };
    options["item_id_column"] = items.at("id_column");
    keep("item_text", "text");
    keep("item_vector", "vector");
    if (kind.needs.items) keep("item_features", "features");
    options["init_from"] = json();
    for (const char* of_updates : {"distill", "keep_items"})
        if (options.contains(of_updates)) options[of_updates] = json();
    options["activate"] = "always";
    return complete_options(kind.name, options);
}

TrainingOptions refresh_options(const Refreshed& refreshed) {
    return guarded([&] {
        const Kind& kind = kind_of_model(to_utf8(refreshed.kind));
        const json source = json::parse(to_utf8(refreshed.source)),
                   config = json::parse(to_utf8(refreshed.config));
        expect_text_kind(kind);
        expect_content(source, config);
        return options_of(options_again(kind, source.at("items"), config));
    });
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_refresh_items);
Datum seqrec_refresh_items(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    if (RecoveryInProgress())
        ereport(ERROR,
                (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION), errmsg("cannot refresh items during recovery"),
                 errhint("Refresh on the primary; the model arrives here by replication.")));
    PreventCommandIfReadOnly("seqrec_refresh_items()");
    const char* model = text_to_cstring(PG_GETARG_TEXT_PP(0));
    const Refreshed refreshed = find_refreshed(model);
    const TrainingOptions options = refresh_options(refreshed);
    check_login(GetUserId());
    check_items(*parse_items(refreshed.source, options), GetUserId());
    (void)trainer_path();
    (void)database_folder();
    const JobKey job = insert_job(model, refreshed.kind, refreshed.source, options, false, refreshed.version);
    launch_worker(job, GetUserId(), model);
    PG_RETURN_INT64(job.id);
}
}
