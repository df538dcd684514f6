// The SQL functions over model versions: seqrec_activate, seqrec_pin, seqrec_drop, seqrec_set_owner,
// seqrec_prewarm.
#include "jobs/model_lock.hpp"
#include "jobs/version_rows.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "serving/serving_model.hpp"

extern "C" {
#include "commands/trigger.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
}

namespace seqrec {
namespace {

struct Version {
    char *name, *version;
};

[[noreturn]] void report_no_version(std::int64_t model_id) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("model version " INT64_FORMAT " does not exist", model_id),
                    errhint("The view seqrec_models shows what there is.")));
    pg_unreachable();
}

/// Fills in the version of a number; false when there is none.
bool find_version(std::int64_t model_id, Version* version, Oid* owner) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    const bool found = run_sql("SELECT name, version, owner FROM seqrec.models WHERE model_id = $1",
                               {bigint_param(model_id)}) == 1;
    if (found) {
        *version = {MemoryContextStrdup(outside, spi_text(0, 1)),
                    MemoryContextStrdup(outside, spi_text(0, 2))};
        *owner = spi_oid(0, 3);
    }
    spi_leave(scope);
    return found;
}

/// A version that the current user may change, its name locked; ERROR 42704 or 42501 otherwise.
Version lock_version_of(std::int64_t model_id) {
    Version version;
    Oid owner;
    if (!find_version(model_id, &version, &owner)) report_no_version(model_id);
    require_role(owner, psprintf("model \"%s\"", version.name));
    lock_model(version.name);
    if (!find_version(model_id, &version, &owner)) report_no_version(model_id);  // dropped meanwhile
    require_role(owner, psprintf("model \"%s\"", version.name));
    return version;
}

/// Who may give something to a role must be able to act as it, as for ALTER TABLE … OWNER TO.
void require_membership(Oid role) {
    if (superuser() || is_member_of_role(GetUserId(), role)) return;
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("must be member of role \"%s\"", role_name(role)),
                    errhint("Or let a superuser call seqrec_set_owner.")));
}

/// ERROR 42501 unless the current user has the rights of all owners of a model's versions and jobs.
void require_all_owners(const char* model) {
    const RoleScope scope = spi_enter();
    const auto rows = run_sql(
        R"sql(
SELECT owner FROM seqrec.models WHERE name = $1
UNION SELECT owner FROM seqrec.jobs WHERE model = $1
)sql",
        {text_param(model)});
    Oid* owners = static_cast<Oid*>(palloc(sizeof(Oid) * (rows + 1)));
    for (std::uint64_t row = 0; row < rows; ++row) owners[row] = spi_oid(row, 1);
    leave(scope);  // the caller's own rights count
    for (std::uint64_t row = 0; row < rows; ++row) require_role(owners[row], psprintf("model \"%s\"", model));
    SPI_finish();
    if (rows == 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", model),
                        errhint("The view seqrec_models shows what there is.")));
}

[[noreturn]] void report_no_active(const char* model) {
    ereport(
        ERROR,
        (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" has no active version", model),
         errhint(
             "The view seqrec_models shows what there is; seqrec_activate makes a version the active one.")));
    pg_unreachable();
}

/// ERROR 42501 unless the current user has the rights of the role that a name belongs to.
void require_owner(const char* model) {
    const RoleScope scope = spi_enter();
    Oid owner;
    const bool is_there = find_owner(model, &owner);
    spi_leave(scope);
    if (!is_there) report_no_active(model);
    require_role(owner, psprintf("model \"%s\"", model));
}

void pin(const char* model) {
    const RoleScope scope = spi_enter();
    if (!pin_active_version(model)) report_no_active(model);
    spi_leave(scope);
}

void set_owner(const char* model, Oid owner) {
    const RoleScope scope = spi_enter();
    run_sql("UPDATE seqrec.models SET owner = $2 WHERE name = $1", {text_param(model), role_param(owner)});
    run_sql("UPDATE seqrec.jobs SET owner = $2 WHERE model = $1", {text_param(model), role_param(owner)});
    spi_leave(scope);
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
    const Version version = lock_version_of(model_id);
    const RoleScope scope = spi_enter();
    activate_version(model_id, version.name);
    spi_leave(scope);
    PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(seqrec_pin);
Datum seqrec_pin(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const char* model = text_to_cstring(PG_GETARG_TEXT_PP(0));
    lock_model(model);
    require_owner(model);
    pin(model);
    PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(seqrec_drop);
Datum seqrec_drop(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::int64_t model_id = PG_GETARG_INT64(0);
    const Version version = lock_version_of(model_id);
    const RoleScope scope = spi_enter();
    delete_version(model_id, version.version);
    spi_leave(scope);
    PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(seqrec_set_owner);
Datum seqrec_set_owner(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const char* model = text_to_cstring(PG_GETARG_TEXT_PP(0));
    const Oid owner = PG_GETARG_OID(1);
    if (!role_exists(owner))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role %u does not exist", owner),
                        errhint("Give the name of a role.")));
    lock_model(model);
    require_all_owners(model);
    require_membership(owner);
    set_owner(model, owner);
    PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(seqrec_refuse_restricted);
Datum seqrec_refuse_restricted(PG_FUNCTION_ARGS) {
    (void)fcinfo;
    if (InSecurityRestrictedOperation())
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("cannot be called within a security-restricted operation"),
                        errhint("The code of a view over ratings runs in sessions of others.")));
    PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(seqrec_models_changed);
Datum seqrec_models_changed(PG_FUNCTION_ARGS) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("seqrec.models_changed() is a trigger's function")));
    CacheInvalidateRelcache(reinterpret_cast<TriggerData*>(fcinfo->context)->tg_relation);
    PG_RETURN_POINTER(nullptr);
}
}
