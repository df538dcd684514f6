#include "serving/serving_model.hpp"

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "serving/active_version.hpp"
#include "serving/snapshot_failure.hpp"
#include "serving/snapshot_files.hpp"
#include "serving/snapshot_ready.hpp"
#include "serving/snapshot_store.hpp"
#include "serving/snapshot_worker.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/namespace.h"
#include "storage/proc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
}

namespace seqrec {
namespace {

// A transaction that activates a version sends a relcache invalidation of seqrec.models when it commits. The
// callback may only note that something changed; the next call looks it up.
std::uint64_t generation = 1;
Oid models_table = InvalidOid;
std::vector<std::unique_ptr<ServingModel>> known;

// A version that was replaced may still be in use further up the stack, when a view over the ratings calls
// seqrec_recommend itself. It goes in a later transaction.
struct RetiredModel {
    std::unique_ptr<ServingModel> model;
    std::uint32_t transaction;
};
std::vector<RetiredModel> retired_models;

void note_change(Datum, Oid relation) {
    if (relation == InvalidOid || models_table == InvalidOid || relation == models_table) ++generation;
}

ServingModel* find(std::string_view name) {
    for (const auto& model : known)
        if (model->name == name) return model.get();
    return nullptr;
}

/// Looks once a statement whether the file is the one that was mapped. A file that is gone is no change: what
/// was mapped stays whole.
bool file_is_unchanged(ServingModel& model) {
    const TimestampTz statement = GetCurrentStatementStartTimestamp();
    if (model.checked == statement) return true;
    const std::optional<FileState> now = FileState::of(model.path.c_str());
    if (now && now != model.found) return false;
    model.checked = statement;
    return true;
}

void forget(std::string_view name) {
    for (auto& model : known)
        if (model->name == name) retired_models.push_back({std::move(model), local_transaction()});
    std::erase(known, nullptr);
}

void free_retired_models() {
    if (retired_models.empty()) return;
    std::erase_if(retired_models, [](const RetiredModel& old) {
        if (old.transaction == local_transaction()) return false;
        free_history(old.model->history);
        free_worker(old.model->worker);
        return true;
    });
}

std::uint64_t mappings = 0;  // in this process so far

/// Maps a version's snapshot in place of the name's earlier one.
ServingModel* open_version(const char* name, const ActiveVersion& row) {
    const char* path = snapshot_path(row.version);
    bool is_private = false;
    const Snapshot* snapshot = open_snapshot(row.model_id, row.version, &is_private);
    return guarded([&] {
        std::unique_ptr<const Snapshot> owned(snapshot);
        forget(name);
        known.push_back(std::make_unique<ServingModel>());
        ServingModel& fresh = *known.back();
        fresh.name = name;
        fresh.version = row.version;
        fresh.mapping = fresh.version + '/' + std::to_string(++mappings);
        fresh.source = row.source;
        const auto columns = nlohmann::json::parse(to_utf8(row.source));
        fresh.user_type = columns.value("user_type", Oid{0});
        fresh.item_type = columns.value("item_type", Oid{0});
        fresh.model_id = row.model_id;
        fresh.snapshot = std::move(owned);
        fresh.path = path;
        fresh.is_private = is_private;
        fresh.found = is_private ? FileState::of(path) : fresh.snapshot->file().mapped().state();
        return &fresh;
    });
}

/// What is answered with while a version's snapshot is made ready: this process may have the earlier one mapped.
enum class Meanwhile { Earlier, Nothing };

/// Whether the earlier version answers for now: it was everybody's and of the same owner (else it is another model, which had the
/// name before), it is whole, and somebody works on the one that others made active.
bool answers_for_now(ServingModel& earlier, const ActiveVersion& row) {
    return earlier.model_id != 0 && !earlier.is_own && !row.is_own && earlier.version != row.version &&
           earlier.owner == row.owner && file_is_unchanged(earlier) &&
           is_being_made_ready(earlier.worker, row.model_id, row.version);
}

/// Looks the name up and maps its snapshot when it is another version than before, or a file that changed.
ServingModel& look_up(std::string_view wanted, Meanwhile meanwhile) {
    const char* name = pnstrdup(wanted.data(), wanted.size());
    models_table = catalog_table("models");
    const std::uint64_t seen = generation;  // a change during the look-up makes the next call look again
    const ActiveVersion* row = find_active_version(name, GetActiveSnapshot());
    if (!row) {
        guarded([&] { forget(name); });
        ereport(
            ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", name),
             errhint(
                 "Train it with seqrec_train(..., model => '%s'), or make one of its versions active with "
                 "seqrec_activate; seqrec_models shows what there is.",
                 name)));
    }
    ServingModel* model = find(name);
    if (model && meanwhile == Meanwhile::Earlier && answers_for_now(*model, *row)) {
        model->holds = {seen, local_transaction(), GetCurrentStatementStartTimestamp()};
        return *model;
    }
    // A number may come again, where the extension was dropped and created; a version never does.
    if (!model || model->model_id != row->model_id || model->version != row->version ||
        !file_is_unchanged(*model))
        model = open_version(name, *row);
    model->owner = row->owner;
    model->is_own = row->is_own;
    // Whether a snapshot taken now sees the same version. If not, this transaction looks at the past, and
    // what it sees must not be remembered beyond it: the invalidation that would correct it has come already.
    const ActiveVersion* latest = find_active_version(name, snapshot_of_now());
    const bool lasting = latest && strcmp(latest->version, row->version) == 0;
    // An answer about the past holds while the transaction's one snapshot does, else for this call only.
    if (lasting)
        model->holds = {seen};
    else
        model->holds = {IsolationUsesXactSnapshot() ? seen : 0, local_transaction()};
    return *model;
}

bool is_whole(const Snapshot& snapshot) {
    return guarded([&] {
        snapshot.file().mapped().read_ahead();
        try {
            snapshot.verify(check_for_interrupts);
        } catch (const Error& error) {
            if (error.sqlstate == sqlstate::kDataCorrupted) return false;
            throw;
        }
        return true;
    });
}

}  // namespace

std::uint32_t local_transaction() {
#if PG_VERSION_NUM >= 170000
    return MyProc->vxid.lxid;
#else
    return MyProc->lxid;
#endif
}

bool Holds::now() const {
    return generation == seqrec::generation && (transaction == 0 || transaction == local_transaction()) &&
           (statement == 0 || statement == GetCurrentStatementStartTimestamp());
}

namespace {

/// One statement is answered by one version, though the one that is active may have become ready meanwhile.
bool answers(const ServingModel& model, Meanwhile meanwhile) {
    return model.holds.now() && (meanwhile == Meanwhile::Earlier || model.holds.statement == 0);
}

ServingModel& model_now(std::string_view wanted, Meanwhile meanwhile) {
    free_retired_models();  // at every call: a deleted file keeps its disk space while it is mapped
    ServingModel* model = find(wanted);
    return model && answers(*model, meanwhile) && file_is_unchanged(*model) ? *model
                                                                            : look_up(wanted, meanwhile);
}

}  // namespace

ServingModel& serving_model(const char* name, std::size_t length) {
    return model_now({name, length}, Meanwhile::Earlier);
}

ServingModel& active_model(std::string_view name) { return model_now(name, Meanwhile::Nothing); }

std::int64_t prewarm(const char* name, std::size_t length) {
    // Who asks for this may have mended what kept the snapshot from being built.
    if (const ActiveVersion* row = find_active_version(pnstrdup(name, length), GetActiveSnapshot()))
        forget_failure(row->version);
    ServingModel* model = &model_now({name, length}, Meanwhile::Nothing);
    if (!is_whole(*model->snapshot)) {
        distrust_snapshot(model->version.c_str());
        model->model_id = 0;  // no version: the next look-up opens anew
        model->holds = {};
        model = &model_now({name, length}, Meanwhile::Nothing);
    }
    return model->snapshot->file().mapped().state().size;
}

void watch_active_models() { CacheRegisterRelcacheCallback(note_change, (Datum)0); }

}  // namespace seqrec
