#include "sql/model_version.hpp"

#include "pg/catalog.hpp"

namespace seqrec {

ModelVersion find_model_version(const char* wanted) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const auto rows = run_sql(
        R"sql(
SELECT model_id, name, version::text, kind, source::text, score::text, config::text, metrics::text, owner FROM seqrec.models
WHERE (name = $1 AND active) OR version::text = lower($1) ORDER BY version::text = lower($1) LIMIT 1
)sql",
        {text_param(wanted)}, true);
    ModelVersion found{};
    const auto keep = [&](int number) { return MemoryContextStrdup(outside, spi_text(0, number)); };
    if (rows == 1)
        found = {spi_bigint(0, 1), keep(2), keep(3), keep(4),      keep(5),
                 keep(6),          keep(7), keep(8), spi_oid(0, 9)};
    spi_leave(scope);
    if (rows != 1)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", wanted),
                 errhint("Give the name of a model that has an active version, or the uuid of a version; "
                         "seqrec_models shows what there is.")));
    return found;
}

}  // namespace seqrec
