#include "snapshot_store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <string>
#include <vector>

#include "core/error.hpp"

#include "boundary.hpp"
#include "catalog.hpp"
#include "row_receiver.hpp"
#include "settings.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/file_perm.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

constexpr std::uint16_t kBuildLockClass = 1517;  // beside the job locks
constexpr const char* kSuffix = ".safetensors";
constexpr std::time_t kSweepAge = 3600;  // a publish that has not committed yet is younger

struct ModelRow {
    char *kind, *config;
    SnapshotWriter::Size size;
};

ModelRow read_model_row(std::int64_t model_id) {
    const auto rows = run_sql(
        "SELECT m.kind, m.config, m.dim::bigint, i.rows, i.bytes, u.rows, u.bytes, u.seen, "
        "       coalesce((m.config->>'lists')::bigint, 0) "
        "FROM seqrec.models m, "
        "     LATERAL (SELECT count(*) AS rows, coalesce(sum(octet_length(item_id)), 0)::bigint AS bytes "
        "              FROM seqrec.items WHERE model_id = m.model_id) i, "
        "     LATERAL (SELECT count(*) AS rows, coalesce(sum(octet_length(user_id)), 0)::bigint AS bytes, "
        "                     coalesce(sum(cardinality(seen)), 0)::bigint AS seen "
        "              FROM seqrec.users WHERE model_id = m.model_id) u "
        "WHERE m.model_id = $1",
        {bigint_param(model_id)}, true);
    if (rows != 1)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("model version " INT64_FORMAT " does not exist", model_id),
                        errhint("It may have been dropped. The view seqrec_models shows what there is.")));
    return {spi_text(0, 1),
            spi_text(0, 2),
            {spi_bigint(0, 4), spi_bigint(0, 6), spi_bigint(0, 3), spi_bigint(0, 5), spi_bigint(0, 7),
             spi_bigint(0, 8), spi_bigint(0, 9)}};
}

ParamListInfo model_parameter(std::int64_t model_id) {
    ParamListInfo params = makeParamList(1);
    params->params[0] = {Int64GetDatum(model_id), false, PARAM_FLAG_CONST, INT8OID};
    return params;
}

std::string_view text_view(Datum value) {
    struct varlena* bytes = PG_DETOAST_DATUM_PACKED(value);
    return {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
}

/// The elements of an array without NULLs; an empty one has no dimension.
template <typename T>
std::span<const T> array_view(Datum value, Oid element) {
    ArrayType* array = DatumGetArrayTypeP(value);
    if (ARR_NDIM(array) > 1 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != element)
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                        errmsg("an array in seqrec's tables is not a plain %s", format_type_be(element))));
    return {reinterpret_cast<const T*>(ARR_DATA_PTR(array)),
            static_cast<std::size_t>(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)))};
}

std::span<const float> real_view(Datum value) { return array_view<float>(value, FLOAT4OID); }

void declare_weight(TupleTableSlot* slot, void* state) {
    const std::string_view name = text_view(slot->tts_values[0]);
    const std::string_view dtype = text_view(slot->tts_values[1]);
    ArrayType* shape = DatumGetArrayTypeP(slot->tts_values[2]);
    const auto* lengths = reinterpret_cast<const std::int64_t*>(ARR_DATA_PTR(shape));
    const int count = ArrayGetNItems(ARR_NDIM(shape), ARR_DIMS(shape));
    guarded([&] {
        static_cast<SnapshotWriter*>(state)->weight(std::string(name), parse_dtype(dtype),
                                                    Shape(lengths, lengths + count));
    });
}

void add_weight_part(TupleTableSlot* slot, void* state) {
    const std::string_view name = text_view(slot->tts_values[0]);
    const std::int64_t offset = DatumGetInt32(slot->tts_values[1]) * kWeightPart;
    const std::string_view data = text_view(slot->tts_values[2]);
    guarded([&] {
        static_cast<SnapshotWriter*>(state)->weight_part(name, static_cast<std::size_t>(offset),
                                                         std::as_bytes(std::span(data.data(), data.size())));
    });
}

void add_item(TupleTableSlot* slot, void* state) {
    const std::string_view id = text_view(slot->tts_values[1]);
    const float popularity = DatumGetFloat4(slot->tts_values[2]);
    const std::span<const float> embedding = real_view(slot->tts_values[3]);
    const std::int32_t list = slot->tts_isnull[4] ? -1 : DatumGetInt32(slot->tts_values[4]);
    guarded([&] {
        static_cast<SnapshotWriter*>(state)->item(DatumGetInt32(slot->tts_values[0]), id, embedding,
                                                  popularity, list);
    });
}

void add_user(TupleTableSlot* slot, void* state) {
    const std::string_view id = text_view(slot->tts_values[1]);
    const double seen_until = DatumGetFloat8(slot->tts_values[2]);
    const std::span<const float> embedding = real_view(slot->tts_values[3]);
    const auto seen = array_view<std::int32_t>(slot->tts_values[4], INT4OID);
    guarded([&] {
        static_cast<SnapshotWriter*>(state)->user(DatumGetInt32(slot->tts_values[0]), id, embedding,
                                                  seen_until, seen);
    });
}

/// The whole file, streamed out of the tables.
void write_snapshot(std::int64_t model_id, const char* version, const char* path) {
    const RoleScope scope = spi_enter();
    const ModelRow model = read_model_row(model_id);
    const ParamListInfo params = model_parameter(model_id);
    guarded([&] {
        SnapshotWriter writer(model.size, model.kind, model.config, version);
        const auto rows = [&](const char* sql, RowFunction row) {
            postgres([&] { for_each_row(sql, params, row, &writer); });
        };
        rows("SELECT name, dtype, shape FROM seqrec.weights WHERE model_id = $1 AND part = 0 ORDER BY name",
             declare_weight);
        writer.create(path);
        rows("SELECT name, part, data FROM seqrec.weights WHERE model_id = $1", add_weight_part);
        rows(
            "SELECT idx, item_id, popularity, embedding, list FROM seqrec.items WHERE model_id = $1 "
            "ORDER BY idx",
            add_item);
        rows(
            "SELECT idx, user_id, seen_until, embedding, seen FROM seqrec.users WHERE model_id = $1 "
            "ORDER BY idx",
            add_user);
        writer.commit(check_for_interrupts);
    });
    spi_leave(scope);
}

/// Opens a file; null when it is missing or not a valid snapshot of this version.
const Snapshot* try_open(const char* path, const char* version) {
    if (access(path, F_OK) != 0) return nullptr;
    return guarded([&]() -> const Snapshot* {
        try {
            auto opened = std::make_unique<const Snapshot>(Snapshot::open(path));
            if (opened->file().meta("version") != version)
                throw Error(sqlstate::kDataCorrupted, "snapshot of another model version");
            return opened.release();
        } catch (const Error& error) {
            if (error.sqlstate != sqlstate::kDataCorrupted) throw;
            const char* reason = palloc_copy(error.what());
            postgres([&] {
                ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED),
                                  errmsg("snapshot file \"%s\" is damaged and is built again", path),
                                  errdetail("%s", reason)));
            });
            return nullptr;
        }
    });
}

std::vector<std::string> pending_removals;

void remove_pending(XactEvent event, void*) {
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PARALLEL_COMMIT)
        for (const std::string& path : pending_removals) unlink(path.c_str());
    if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PARALLEL_PRE_COMMIT &&
        event != XACT_EVENT_PRE_PREPARE)
        pending_removals.clear();
}

bool model_version_exists(const char* version) {
    return run_sql("SELECT 1 FROM seqrec.models WHERE version::text = $1", {text_param(version)}, true) == 1;
}

void sweep_versions(const char* folder) {
    DIR* directory = AllocateDir(folder);
    while (const struct dirent* entry = ReadDir(directory, folder)) {
        const char* path = psprintf("%s/%s", folder, entry->d_name);
        const char* suffix = strstr(entry->d_name, kSuffix);
        struct stat status;
        if (!suffix || stat(path, &status) != 0 || status.st_mtime > std::time(nullptr) - kSweepAge) continue;
        const char* version = pnstrdup(entry->d_name, static_cast<Size>(suffix - entry->d_name));
        if (suffix[strlen(kSuffix)] != '\0' || !model_version_exists(version)) unlink(path);
    }
    FreeDir(directory);
}

/// A folder is named by its database's oid. One that was listed before the query's snapshot was taken belongs
/// to a database that the query sees, or to none.
void sweep_dropped_databases() {
    DIR* directory = AllocateDir(settings::directory);
    while (const struct dirent* entry = ReadDir(directory, settings::directory)) {
        if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name)) continue;
        if (run_sql("SELECT 1 FROM pg_database WHERE oid::text = $1", {text_param(entry->d_name)}) == 0)
            (void)rmtree(psprintf("%s/%s", settings::directory, entry->d_name), true);
    }
    FreeDir(directory);
}

}  // namespace

const char* database_folder() {
    const char* folder = psprintf("%s/%u", settings::directory, MyDatabaseId);
    struct stat status;
    if (stat(folder, &status) == 0) return folder;
    if (pg_mkdir_p(pstrdup(folder), pg_dir_create_mode) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not create folder \"%s\": %m", folder),
                        errhint("seqrec.directory must name a folder that the server may write.")));
    return folder;
}

const char* snapshot_path(const char* version) {
    return psprintf("%s/%u/%s%s", settings::directory, MyDatabaseId, version, kSuffix);
}

const Snapshot* open_snapshot(std::int64_t model_id, const char* version) {
    const char* path = snapshot_path(version);
    if (const Snapshot* snapshot = try_open(path, version)) return snapshot;
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<std::uint32_t>(model_id >> 32),
                         static_cast<std::uint32_t>(model_id), kBuildLockClass);
    (void)LockAcquire(&tag, ExclusiveLock, false, false);
    const Snapshot* snapshot = try_open(path, version);
    if (!snapshot) {  // nobody built it while this process waited
        build_snapshot(model_id, version);
        snapshot = try_open(path, version);
    }
    if (!snapshot)
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                        errmsg("snapshot file \"%s\" can't be used although it was just built", path)));
    LockRelease(&tag, ExclusiveLock, false);
    return snapshot;
}

void build_snapshot(std::int64_t model_id, const char* version) {
    (void)database_folder();
    write_snapshot(model_id, version, snapshot_path(version));
}

void remove_snapshot_at_commit(const char* version) {
    static bool registered = false;
    if (!registered) RegisterXactCallback(remove_pending, nullptr);
    registered = true;
    const char* path = snapshot_path(version);
    guarded([&] { pending_removals.emplace_back(path); });
}

void sweep_snapshots() {
    const char* folder = database_folder();
    const RoleScope scope = spi_enter();
    sweep_versions(folder);
    sweep_dropped_databases();
    spi_leave(scope);
}

}  // namespace seqrec
