#include "serving/active_version.hpp"

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace seqrec {
namespace {

Datum column(HeapTuple row, TupleDesc columns, const char* name) {
    bool null = false;
    const Datum value = heap_getattr(row, SPI_fnumber(columns, name), columns, &null);
    if (null) elog(ERROR, "seqrec.models.%s is null", name);
    return value;
}

/// A result of its own: the row's buffer is about to be released.
const ActiveVersion* copy(HeapTuple row, TupleDesc columns) {
    const auto text = [&](PGFunction output, const char* name) {
        return DatumGetCString(DirectFunctionCall1(output, column(row, columns, name)));
    };
    if (TupleDescAttr(columns, SPI_fnumber(columns, "owner") - 1)->atttypid != REGROLEOID)
        report_old_extension();
    auto* version = static_cast<ActiveVersion*>(palloc(sizeof(ActiveVersion)));
    version->model_id = DatumGetInt64(column(row, columns, "model_id"));
    version->version = text(uuid_out, "version");
    version->owner = DatumGetObjectId(column(row, columns, "owner"));
    version->source = text(jsonb_out, "source");
    version->is_own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(row->t_data));
    return version;
}

/// name = $1, in the collation of the column, as the index has it.
ScanKeyData name_is(const char* name, TupleDesc columns) {
    ScanKeyData key;
    const int number = SPI_fnumber(columns, "name");
    ScanKeyEntryInitialize(&key, 0, static_cast<AttrNumber>(number), BTEqualStrategyNumber, InvalidOid,
                           TupleDescAttr(columns, number - 1)->attcollation, F_TEXTEQ,
                           CStringGetTextDatum(name));
    return key;
}

}  // namespace

const ActiveVersion* find_active_version(const char* name, SnapshotData* snapshot) {
    const ActiveVersion* found = nullptr;
    SnapshotData* registered = RegisterSnapshot(snapshot);
    Relation models = table_open(catalog_table("models"), AccessShareLock);
    TupleDesc columns = RelationGetDescr(models);
    const Oid index = get_relname_relid("models_one_active", RelationGetNamespace(models));
    ScanKeyData key = name_is(name, columns);
    SysScanDesc scan = systable_beginscan(models, index, OidIsValid(index), registered, 1, &key);
    while (HeapTuple row = systable_getnext(scan))
        if (DatumGetBool(column(row, columns, "active"))) found = copy(row, columns);
    systable_endscan(scan);
    table_close(models, NoLock);
    UnregisterSnapshot(registered);
    return found;
}

}  // namespace seqrec
