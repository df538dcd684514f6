// The SQL functions over model versions: seqrec_activate, seqrec_drop, seqrec_prewarm.
#include "boundary.hpp"
#include "catalog.hpp"
#include "publish.hpp"
#include "serving_model.hpp"

extern "C" {
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

struct Version {
    char *name, *version;
};

/// The row of a version that the current user may change, locked; ERROR 42704 or 42501 otherwise.
Version find_version(std::int64_t model_id) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const auto rows = run_sql("SELECT name, version, owner FROM seqrec.models WHERE model_id = $1 FOR UPDATE",
                              {bigint_param(model_id)});
    if (rows != 1)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("model version " INT64_FORMAT " does not exist", model_id),
                        errhint("The view seqrec_models shows what there is.")));
    const Version version{MemoryContextStrdup(outside, spi_text(0, 1)),
                          MemoryContextStrdup(outside, spi_text(0, 2))};
    const char* owner = MemoryContextStrdup(outside, spi_text(0, 3));
    spi_leave(scope);
    require_role(owner, psprintf("model \"%s\"", version.name));
    return version;
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_prewarm);
Datum seqrec_prewarm(PG_FUNCTION_ARGS) {
    text* name = PG_GETARG_TEXT_PP(0);
    PG_RETURN_INT64(seqrec::prewarm(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)));
}

PG_FUNCTION_INFO_V1(seqrec_activate);
Datum seqrec_activate(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::int64_t model_id = PG_GETARG_INT64(0);
    const Version version = find_version(model_id);
    const RoleScope scope = spi_enter();
    activate_version(model_id, version.name);
    spi_leave(scope);
    PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(seqrec_drop);
Datum seqrec_drop(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::int64_t model_id = PG_GETARG_INT64(0);
    const Version version = find_version(model_id);
    const RoleScope scope = spi_enter();
    delete_version(model_id, version.version);
    spi_leave(scope);
    PG_RETURN_VOID();
}
}
