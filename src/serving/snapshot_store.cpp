#include "serving/snapshot_store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "core/files/snapshot_writer.hpp"

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/data_folder.hpp"
#include "serving/snapshot_failure.hpp"
#include "serving/snapshot_files.hpp"
#include "serving/snapshot_stamp.hpp"
#include "tables/row_receiver.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/file_perm.h"
#include "common/file_utils.h"
#include "storage/fd.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
}

namespace seqrec {
namespace {

constexpr const char* kPrivateFolder = "base/" PG_TEMP_FILES_DIR;

struct ModelRow {
    char *kind, *score, *config;
    SnapshotWriter::Size size;
};

ModelRow read_model_row(std::int64_t model_id) {
    const auto rows = run_sql(
        R"sql(
SELECT m.kind, m.config, m.dim::bigint, i.rows, i.bytes, u.rows, u.bytes, u.seen,
       coalesce((m.config->>'lists')::bigint, 0),
       i.rows <> m.n_items OR u.rows <> m.n_users
           OR NOT EXISTS (SELECT FROM seqrec.weights w WHERE w.model_id = m.model_id),
       m.score,
       coalesce((SELECT cardinality(embedding) FROM seqrec.users u WHERE u.model_id = m.model_id LIMIT 1), 0)::bigint,
       i.numbers, coalesce(i.least, 0), coalesce(i.most, 0)
FROM seqrec.models m,
     LATERAL (SELECT count(*) AS rows, coalesce(sum(octet_length(item_id)), 0)::bigint AS bytes,
                     count(number) AS numbers, min(number) AS least, max(number) AS most
              FROM (SELECT item_id, CASE WHEN octet_length(item_id) BETWEEN 1 AND 18 AND translate(item_id, '0123456789', '') = ''
                                         THEN item_id::bigint END AS number
                    FROM seqrec.items WHERE model_id = m.model_id) n) i,
     LATERAL (SELECT count(*) AS rows, coalesce(sum(octet_length(user_id)), 0)::bigint AS bytes,
                     coalesce(sum(cardinality(seen)), 0)::bigint AS seen
              FROM seqrec.users WHERE model_id = m.model_id) u
WHERE m.model_id = $1
)sql",
        {bigint_param(model_id)}, true);
    if (rows != 1)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("model version " INT64_FORMAT " does not exist", model_id),
                        errhint("It may have been dropped. The view seqrec_models shows what there is.")));
    if (strcmp(spi_text(0, 10), "t") == 0)
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("rows of model version " INT64_FORMAT " are missing", model_id),
             errhint(
                 "Where the tables of schema seqrec are replicated or restored, wait until all are here.")));
    return {.kind = spi_text(0, 1),
            .score = spi_text(0, 11),
            .config = spi_text(0, 2),
            .size = {
                .items = spi_bigint(0, 4),
                .users = spi_bigint(0, 6),
                .dim = spi_bigint(0, 3),
                .user_dim = spi_bigint(0, 12),
                .item_id_bytes = spi_bigint(0, 5),
                .user_id_bytes = spi_bigint(0, 7),
                .seen_items = spi_bigint(0, 8),
                .lists = spi_bigint(0, 9),
                .item_numbers = IdNumbers::between(spi_bigint(0, 13), spi_bigint(0, 14), spi_bigint(0, 15))}};
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
    const auto shape = array_view<std::int64_t>(slot->tts_values[2], INT8OID);
    guarded([&] {
        static_cast<SnapshotWriter*>(state)->weight(std::string(name), parse_dtype(dtype),
                                                    Shape(shape.begin(), shape.end()));
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
FileState write_snapshot(std::int64_t model_id, const char* version, const char* path) {
    const RoleScope scope = spi_enter();
    const ModelRow model = read_model_row(model_id);
    const ParamListInfo params = model_parameter(model_id);
    const FileState state = guarded([&] {
        SnapshotWriter writer(model.size, {model.kind, model.score, model.config, version});
        const auto rows = [&](const char* sql, RowFunction row) {
            postgres([&] { for_each_row(sql, params, row, &writer); });
        };
        rows("SELECT name, dtype, shape FROM seqrec.weights WHERE model_id = $1 AND part = 0 ORDER BY name",
             declare_weight);
        writer.create(path);
        rows("SELECT name, part, data FROM seqrec.weights WHERE model_id = $1", add_weight_part);
        rows(
            R"sql(
SELECT idx, item_id, popularity, embedding, list FROM seqrec.items WHERE model_id = $1 ORDER BY idx
)sql",
            add_item);
        rows(
            R"sql(
SELECT idx, user_id, seen_until, embedding, seen FROM seqrec.users WHERE model_id = $1 ORDER BY idx
)sql",
            add_user);
        return writer.commit(check_for_interrupts);
    });
    spi_leave(scope);
    return state;
}

bool is_there(const char* path) { return access(path, F_OK) == 0; }

/// What to do with a file that nobody has read whole since the server started.
enum class Unverified { Leave, Verify };

/// Null for a file of an earlier version of seqrec, which is built again, and one that is not verified and
/// left alone.
const Snapshot* open_checked(const char* path, const char* version, Unverified unverified) {
    SafetensorsFile file = SafetensorsFile::open(path);  // once: to read its header is most of opening it
    if (file.meta("format") == kEarlierSnapshotFormat) return nullptr;
    auto opened = std::make_unique<const Snapshot>(Snapshot::open(std::move(file)));
    if (opened->file().meta("version") != version)
        throw Error(sqlstate::kDataCorrupted, "snapshot of another model version");
    const FileState& state = opened->file().mapped().state();
    if (has_stamp(path, state)) return opened.release();
    if (unverified == Unverified::Leave) return nullptr;
    opened->verify(check_for_interrupts);
    if (FileState::of(path) != state)
        throw Error(sqlstate::kDataCorrupted, "the file changed while it was read");
    leave_stamp(path, state);
    return opened.release();
}

/// Whether it says that a file is not what it should be, or can't be read: another one is put in its place.
bool is_unusable(const Error& error) {
    return error.sqlstate == sqlstate::kDataCorrupted || error.sqlstate == sqlstate::kIo;
}

void warn_unusable(const char* path, const char* version, const Error& error) {
    const char* reason = palloc_copy(error.what());
    const bool is_damaged = error.sqlstate == sqlstate::kDataCorrupted;
    postgres([&] {
        warn_of(version, is_damaged ? ERRCODE_DATA_CORRUPTED : ERRCODE_IO_ERROR,
                is_damaged ? "a snapshot file is damaged and is built again"
                           : "a snapshot file can't be read and is built again",
                psprintf("File \"%s\": %s.", path, reason),
                "Where it happens again, look at the disk and at what else writes there.");
    });
}

/// Opens a file; null when it is missing, can't be read, is no valid snapshot of this version, or unverified and left alone.
const Snapshot* try_open(const char* path, const char* version, Unverified unverified) {
    if (!is_there(path)) return nullptr;
    return guarded([&]() -> const Snapshot* {
        try {
            return open_checked(path, version, unverified);
        } catch (const Error& error) {
            if (!is_there(path)) return nullptr;  // it went meanwhile
            // A kind that is not known may be a damaged name: the tables say which it is.
            const bool is_unknown = error.sqlstate == sqlstate::kFeatureNotSupported;
            if (!is_unknown && !is_unusable(error)) throw;
            if (unverified == Unverified::Verify && !is_unknown) warn_unusable(path, version, error);
            return nullptr;
        }
    });
}

void warn_not_usable(const char* version, const char* problem) {
    warn_of(version, ERRCODE_IO_ERROR,
            "the folder of snapshots can't be used: this session makes a snapshot of its own",
            psprintf("%s.", problem),
            "seqrec.directory must name a folder that the server may write and that is its own.");
}

/// A copy for this session alone, for when the folder can't be written or nobody else will ask for the
/// version. It has no name, so that it goes with its last mapping; one left by a crash is removed with the
/// server's other temporary files.
const Snapshot* open_private_copy(std::int64_t model_id, const char* version) {
    (void)MakePGDirectory(kPrivateFolder);
    const char* path = psprintf("%s/%s%d.seqrec", kPrivateFolder, PG_TEMP_FILE_PREFIX, MyProcPid);
    (void)write_snapshot(model_id, version, path);
    return guarded([&]() -> const Snapshot* {
        struct Remover {
            const char* path;
            ~Remover() { unlink(path); }
        } const remover{path};
        return std::make_unique<const Snapshot>(Snapshot::open(path)).release();
    });
}

/// Builds the file of a version while this process holds the lock on it; null when the version is dropped at
/// the same time, which takes the file away.
const Snapshot* build_and_open(std::int64_t model_id, const char* version, const char* path) {
    remove_unfinished(version);
    build_snapshot(model_id, version);
    const Snapshot* snapshot = try_open(path, version, Unverified::Verify);
    if (!version_exists_now(version)) {
        remove_own(path);
        distrust_snapshot(version);
    }
    // A standby or a subscriber has no trainings that sweep; what was dropped elsewhere goes when a new
    // version comes.
    sweep_snapshots();
    return snapshot;
}

/// The snapshot of a version without a usable file.
const Snapshot* rebuild(std::int64_t model_id, const char* version, const char* path, bool* is_private) {
    // Dropped since this transaction's snapshot, which alone sees it: nobody else will ask for it.
    const Snapshot* snapshot =
        version_exists_now(version) ? build_and_open(model_id, version, path) : nullptr;
    *is_private = !snapshot;
    return snapshot ? snapshot : open_private_copy(model_id, version);
}

}  // namespace

const Snapshot* open_stamped(const char* version) {
    return try_open(snapshot_path(version), version, Unverified::Leave);
}

const Snapshot* open_or_build(std::int64_t model_id, const char* version, bool* is_private) {
    const char* path = snapshot_path(version);
    const char* problem = foreign_folder();
    if (!problem) {
        if (const Snapshot* snapshot = try_open(path, version, Unverified::Verify)) return snapshot;
        problem = folder_problem();
    }
    if (!problem) return rebuild(model_id, version, path, is_private);
    warn_not_usable(version, problem);
    *is_private = true;
    return open_private_copy(model_id, version);
}

void verify_or_build(std::int64_t model_id, const char* version) {
    const char* path = snapshot_path(version);
    const Snapshot* snapshot = try_open(path, version, Unverified::Verify);
    if (!snapshot && version_exists_now(version)) snapshot = build_and_open(model_id, version, path);
    delete snapshot;
}

void build_snapshot(std::int64_t model_id, const char* version) {
    (void)database_folder();
    const char* path = snapshot_path(version);
    const FileState state = write_snapshot(model_id, version, path);
    guarded([&] { leave_stamp(path, state); });
}

void distrust_snapshot(const char* version) {
    remove_own(psprintf("%s%s", snapshot_path(version), kStampSuffix));
}

}  // namespace seqrec
