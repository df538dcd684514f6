#include "sql/id_type.hpp"

#include "pg/catalog.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_type.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
}

namespace seqrec {
namespace {

Oid id_type() {
    const Oid type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("id"),
                                     ObjectIdGetDatum(get_namespace_oid("seqrec", false)));
    if (!OidIsValid(type)) report_old_extension();
    return type;
}

bool has_cast(Oid type, Oid to) {
    return SearchSysCacheExists2(CASTSOURCETARGET, ObjectIdGetDatum(type), ObjectIdGetDatum(to));
}

bool may_use(Oid type) {
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(TypeRelationId, type, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
#else
    return pg_type_aclcheck(type, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
#endif
}

/// A type that goes with its session would be in a dump, and not where that is restored.
bool is_temporary(Oid type) {
    const HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    if (!HeapTupleIsValid(tuple)) return true;
    const Oid space = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typnamespace;
    ReleaseSysCache(tuple);
    return isAnyTempNamespace(space);
}

/// Who makes the cast of a type first makes it for all; nobody waits for the end of another's transaction.
bool try_lock_cast(Oid type) {
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, CastRelationId, type, 0);
    return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/// It goes with the type and with the extension, without CASCADE.
void create_cast(Oid type, Oid to) {
    AcceptInvalidationMessages();
    if (has_cast(type, to)) return;
    (void)CastCreate(type, to, InvalidOid,
#if PG_VERSION_NUM >= 160000
                     InvalidOid, InvalidOid,
#endif
                     COERCION_CODE_IMPLICIT, COERCION_METHOD_INOUT, DEPENDENCY_AUTO);
}

/// A training does not fail for want of a cast.
void try_create_cast(Oid type, Oid to) {
    const MemoryContext memory = CurrentMemoryContext;
    const ResourceOwner owner = CurrentResourceOwner;
    BeginInternalSubTransaction(nullptr);
    PG_TRY();
    {
        create_cast(type, to);
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(memory);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(memory);
        CurrentResourceOwner = owner;
        if (error->sqlerrcode == ERRCODE_QUERY_CANCELED) ReThrowError(error);
    }
    PG_END_TRY();
    MemoryContextSwitchTo(memory);
    CurrentResourceOwner = owner;
}

}  // namespace

void ensure_id_cast(Oid column_type) {
    const Oid type = getBaseType(column_type), to = id_type();
    if (type == to || has_cast(type, to) || get_typtype(type) == TYPTYPE_PSEUDO || !may_use(type) ||
        is_temporary(type))
        return;
    if (try_lock_cast(type)) try_create_cast(type, to);
}

}  // namespace seqrec

extern "C" {

// Not PostgreSQL's own functions by their names: of those that are not built in under their own oid, each
// session looks through a list of thousands.
PG_FUNCTION_INFO_V1(seqrec_id_in);
Datum seqrec_id_in(PG_FUNCTION_ARGS) { return textin(fcinfo); }

PG_FUNCTION_INFO_V1(seqrec_id_out);
Datum seqrec_id_out(PG_FUNCTION_ARGS) { return textout(fcinfo); }

PG_FUNCTION_INFO_V1(seqrec_id_recv);
Datum seqrec_id_recv(PG_FUNCTION_ARGS) { return textrecv(fcinfo); }

PG_FUNCTION_INFO_V1(seqrec_id_send);
Datum seqrec_id_send(PG_FUNCTION_ARGS) { return textsend(fcinfo); }

PG_FUNCTION_INFO_V1(seqrec_id_of_bpchar);
Datum seqrec_id_of_bpchar(PG_FUNCTION_ARGS) { return rtrim1(fcinfo); }
}
