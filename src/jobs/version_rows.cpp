#include "jobs/version_rows.hpp"

#include "jobs/model_lock.hpp"
#include "pg/catalog.hpp"
#include "pg/settings.hpp"
#include "serving/snapshot_files.hpp"

namespace seqrec {

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

}  // namespace seqrec
