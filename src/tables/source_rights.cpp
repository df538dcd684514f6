#include "tables/source_rights.hpp"

#include <cstring>
#include <string_view>

#include "pg/boundary.hpp"
#include "tables/id_text.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_range.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
}

namespace seqrec {
namespace {

bool may_select(const SourceTable& table, const Column& column, Oid reader) {
    return pg_class_aclcheck(table.relation, reader, ACL_SELECT) == ACLCHECK_OK ||
           pg_attribute_aclcheck(table.relation, column.number, reader, ACL_SELECT) == ACLCHECK_OK;
}

void check_select(const SourceTable& table, std::span<const Column> columns, Oid reader) {
    for (const Column& column : columns)
        if (!may_select(table, column, reader))
            ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                            errmsg("permission denied for column \"%s\" of relation \"%s\"", column.name,
                                   get_rel_name(table.relation)),
                            errhint("Grant SELECT on it to role \"%s\".", role_name(reader))));
}

Oid relation_owner(Oid relation) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple)) return InvalidOid;
    const Oid owner = ((Form_pg_class)GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return owner;
}

/// The search_path among settings as ALTER ROLE and ALTER DATABASE keep them, or null.
const char* path_among(ArrayType* settings) {
    constexpr std::string_view kName = "search_path=";
    Datum* texts;
    int count;
    deconstruct_array(settings, TEXTOID, -1, false, TYPALIGN_INT, &texts, nullptr, &count);
    for (int i = 0; i < count; ++i) {
        const char* setting = TextDatumGetCString(texts[i]);
        if (strncmp(setting, kName.data(), kName.size()) == 0) return setting + kName.size();
    }
    return nullptr;
}

/// The search_path that is set for a role in a database; 0 means any.
const char* path_set_for(Relation all, Oid database, Oid role) {
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(database));
    ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(role));
    const char* path = nullptr;
    SysScanDesc scan = systable_beginscan(all, DbRoleSettingDatidRolidIndexId, true, nullptr, 2, keys);
    if (HeapTuple tuple = systable_getnext(scan)) {
        bool null;
        const Datum settings =
            heap_getattr(tuple, Anum_pg_db_role_setting_setconfig, RelationGetDescr(all), &null);
        if (!null) path = path_among(DatumGetArrayTypePCopy(settings));
    }
    systable_endscan(scan);
    return path;
}

}  // namespace

const char* configured_path(Oid role) {
    Relation all = table_open(DbRoleSettingRelationId, AccessShareLock);
    const char* path = path_set_for(all, MyDatabaseId, role);
    if (!path) path = path_set_for(all, InvalidOid, role);
    if (!path) path = path_set_for(all, MyDatabaseId, InvalidOid);
    if (!path) path = path_set_for(all, InvalidOid, InvalidOid);
    table_close(all, AccessShareLock);
    return psprintf("%s, pg_temp", path ? path : "\"$user\", public");
}

namespace {

// --- whose code a query runs ---

struct CodeCheck {
    Oid run_as;
    bool asks;     // what is refused is noted, and no error
    bool refused;  // noted
};

void refuse_code(const char* what, Oid owner, CodeCheck* check) {
    check->refused = true;
    if (check->asks) return;
    const Oid run_as = check->run_as;
    ereport(
        ERROR,
        (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
         errmsg("%s belongs to role \"%s\", whose code is not run as role \"%s\"", what, role_name(owner),
                role_name(run_as)),
         errhint("Train from a table or a materialized view that holds its rows, or from a view whose parts "
                 "all belong to its owner or to a superuser.")));
}

/// Whoever may act as the role anyway gains nothing by code that runs as it.
bool is_trusted(Oid owner, Oid run_as) { return has_privs_of_role(owner, run_as); }

bool check_expression(Node* node, void* context);

#if PG_VERSION_NUM >= 160000
constexpr auto kWalker = check_expression;
#else  // declared there without parameters
const auto kWalker = reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(check_expression));
#endif

/// Expressions as the catalogs have them; nothing in them is evaluated here, as the planner would.
void check_stored(SysCacheIdentifier cache, HeapTuple tuple, AttrNumber attribute, CodeCheck* check) {
    bool null;
    const Datum value = SysCacheGetAttr(cache, tuple, attribute, &null);
    if (!null) (void)check_expression(static_cast<Node*>(stringToNode(TextDatumGetCString(value))), check);
}

void check_function(Oid function, CodeCheck* check);

void check_type(Oid type, CodeCheck* check);

/// What an aggregate calls for each row and at the end, and what it keeps in between.
void check_aggregate(Oid aggregate, CodeCheck* check) {
    HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
    if (!HeapTupleIsValid(tuple)) return;
    const auto* form = (Form_pg_aggregate)GETSTRUCT(tuple);
    const Oid parts[] = {form->aggtransfn,    form->aggfinalfn,  form->aggcombinefn,   form->aggserialfn,
                         form->aggdeserialfn, form->aggmtransfn, form->aggminvtransfn, form->aggmfinalfn};
    const Oid states[] = {form->aggtranstype, form->aggmtranstype};
    ReleaseSysCache(tuple);
    for (const Oid part : parts)
        if (OidIsValid(part)) check_function(part, check);
    for (const Oid state : states) check_type(state, check);
}

/// A function runs as whoever calls it. One that says that it runs as its owner may say otherwise by the time
/// it is called, and the defaults of its arguments are the caller's expressions either way.
void check_function(Oid function, CodeCheck* check) {
    if (function < FirstNormalObjectId || check->refused) return;
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) return;
    const Form_pg_proc form = (Form_pg_proc)GETSTRUCT(tuple);
    if (!is_trusted(form->proowner, check->run_as))
        refuse_code(psprintf("function %s", format_procedure(function)), form->proowner, check);
    if (form->prokind == PROKIND_AGGREGATE) check_aggregate(function, check);
    check_stored(PROCOID, tuple, Anum_pg_proc_proargdefaults, check);
    ReleaseSysCache(tuple);
}

bool check_called(Oid function, void* context) {
    check_function(function, static_cast<CodeCheck*>(context));
    return false;
}

/// The CHECK constraints of a domain, as the catalog has them.
void check_domain_constraints(Oid domain, CodeCheck* check) {
    Relation constraints = table_open(ConstraintRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(domain));
    SysScanDesc scan = systable_beginscan(constraints, ConstraintTypidIndexId, true, nullptr, 1, &key);
    while (HeapTuple tuple = systable_getnext(scan)) {
        bool null;
        const Datum value =
            heap_getattr(tuple, Anum_pg_constraint_conbin, RelationGetDescr(constraints), &null);
        if (!null)
            (void)check_expression(static_cast<Node*>(stringToNode(TextDatumGetCString(value))), check);
    }
    systable_endscan(scan);
    table_close(constraints, AccessShareLock);
}

/// The columns of a row type.
void check_columns(Oid relation, CodeCheck* check) {
    Relation rows = relation_open(relation, AccessShareLock);
    TupleDesc columns = RelationGetDescr(rows);
    for (int i = 0; i < columns->natts; ++i)
        if (!TupleDescAttr(columns, i)->attisdropped) check_type(TupleDescAttr(columns, i)->atttypid, check);
    relation_close(rows, AccessShareLock);
}

void check_range(Oid range, CodeCheck* check) {
    HeapTuple tuple = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(range));
    if (!HeapTupleIsValid(tuple)) return;
    const FormData_pg_range form = *(Form_pg_range)GETSTRUCT(tuple);
    ReleaseSysCache(tuple);
    for (const Oid function : {form.rngcanonical, form.rngsubdiff})
        if (OidIsValid(function)) check_function(function, check);
    check_type(form.rngsubtype, check);
}

/// A value that becomes one of a type runs the constraints of a domain, of those it is over, or a range's own
/// canonical function; one of a row type, those of its columns.
void check_type(Oid type, CodeCheck* check) {
    check_stack_depth();
    if (const Oid element = get_element_type(type); OidIsValid(element)) type = element;
    if (type < FirstNormalObjectId || check->refused) return;
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    if (!HeapTupleIsValid(tuple)) return;
    const FormData_pg_type form = *(Form_pg_type)GETSTRUCT(tuple);
    ReleaseSysCache(tuple);
    if (!is_trusted(form.typowner, check->run_as))
        refuse_code(psprintf("type %s", format_type_be(type)), form.typowner, check);
    if (form.typtype == TYPTYPE_DOMAIN) {
        check_domain_constraints(type, check);
        check_type(form.typbasetype, check);
    }
    if (form.typtype == TYPTYPE_COMPOSITE) check_columns(form.typrelid, check);
    if (form.typtype == TYPTYPE_RANGE) check_range(type, check);
    if (form.typtype == TYPTYPE_MULTIRANGE) check_type(get_multirange_range(type), check);
}

void check_types(List* types, CodeCheck* check) {
    ListCell* cell;
    foreach (cell, types) check_type(lfirst_oid(cell), check);
}

/// What the planner evaluates of a table: constants in its index expressions and predicates.
void check_indexes(Relation relation, CodeCheck* check) {
    ListCell* cell;
    foreach (cell, RelationGetIndexList(relation)) {
        HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple)) continue;
        check_stored(INDEXRELID, tuple, Anum_pg_index_indexprs, check);
        check_stored(INDEXRELID, tuple, Anum_pg_index_indpred, check);
        ReleaseSysCache(tuple);
    }
}

/// … in its constraints, its statistics and its partition keys.
void check_constraints(Relation relation, CodeCheck* check) {
    const TupleConstr* constraints = RelationGetDescr(relation)->constr;
    for (int i = 0; constraints && i < constraints->num_check; ++i)
        (void)check_expression(static_cast<Node*>(stringToNode(constraints->check[i].ccbin)), check);
    for (int i = 0; constraints && i < constraints->num_defval; ++i)
        (void)check_expression(static_cast<Node*>(stringToNode(constraints->defval[i].adbin)), check);
    ListCell* cell;
    foreach (cell, RelationGetStatExtList(relation)) {
        HeapTuple tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple)) continue;
        check_stored(STATEXTOID, tuple, Anum_pg_statistic_ext_stxexprs, check);
        ReleaseSysCache(tuple);
    }
    HeapTuple tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(RelationGetRelid(relation)));
    if (!HeapTupleIsValid(tuple)) return;
    check_stored(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs, check);
    ReleaseSysCache(tuple);
}

void check_planned(Oid id, CodeCheck* check) {
    Relation relation = relation_open(id, AccessShareLock);
    check_indexes(relation, check);
    check_constraints(relation, check);
    relation_close(relation, NoLock);
}

/// Partitions and children: one of another role may get code at any time, and what the planner evaluates of
/// the others is as good as the parent's.
void check_children(Oid id, CodeCheck* check) {
    if (!has_subclass(id)) return;
    ListCell* cell;
    foreach (cell, find_all_inheritors(id, AccessShareLock, nullptr)) {
        const Oid child = lfirst_oid(cell);
        const Oid owner = relation_owner(child);
        if (OidIsValid(owner) && !is_trusted(owner, check->run_as))
            refuse_code(psprintf("table \"%s\", a part of \"%s\",", get_rel_name(child), get_rel_name(id)),
                        owner, check);
        if (child != id) check_planned(child, check);
    }
}

/// A relation inside the query: no view of somebody else, and no function of theirs where the planner
/// evaluates.
void check_relation(Oid id, CodeCheck* check) {
    const Oid owner = relation_owner(id);
    if (!OidIsValid(owner)) return;
    if (get_rel_relkind(id) == RELKIND_VIEW) {
        if (!is_trusted(owner, check->run_as))
            refuse_code(psprintf("view \"%s\"", get_rel_name(id)), owner, check);
        return;
    }
    check_children(id, check);
    check_planned(id, check);
}

/// The planner may put an operator's negator or commutator in its place, and whoever owns the operator says
/// which.
void check_operator(Oid operation, CodeCheck* check) {
    if (operation < FirstNormalObjectId) return;
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operation));
    if (!HeapTupleIsValid(tuple)) return;
    const FormData_pg_operator form = *(Form_pg_operator)GETSTRUCT(tuple);
    ReleaseSysCache(tuple);
    if (!is_trusted(form.oprowner, check->run_as))
        refuse_code(psprintf("operator %s", format_operator(operation)), form.oprowner, check);
    check_function(form.oprcode, check);
    for (const Oid other : {form.oprcom, form.oprnegate})
        if (OidIsValid(other) && other != operation) check_function(get_opcode(other), check);
}

void check_operators(List* operations, CodeCheck* check) {
    ListCell* cell;
    foreach (cell, operations) check_operator(lfirst_oid(cell), check);
}

/// Operators where they are called, and where rows are sorted, grouped or told apart.
void check_operation(Node* node, CodeCheck* check) {
    if (IsA(node, OpExpr) || IsA(node, DistinctExpr) || IsA(node, NullIfExpr))  // all of one layout
        check_operator(reinterpret_cast<OpExpr*>(node)->opno, check);
    if (IsA(node, ScalarArrayOpExpr)) check_operator(castNode(ScalarArrayOpExpr, node)->opno, check);
    if (IsA(node, RowCompareExpr)) check_operators(castNode(RowCompareExpr, node)->opnos, check);
    if (IsA(node, SortGroupClause)) {
        check_operator(castNode(SortGroupClause, node)->eqop, check);
        check_operator(castNode(SortGroupClause, node)->sortop, check);
    }
}

/// Values that are made of others, and by that become values of a type, and values of a type that functions
/// such as to_jsonb look for casts of.
void check_made_value(Node* node, CodeCheck* check) {
    if (IsA(node, Var)) check_type(castNode(Var, node)->vartype, check);
    if (IsA(node, Const)) check_type(castNode(Const, node)->consttype, check);
    if (IsA(node, CoerceToDomain)) check_type(castNode(CoerceToDomain, node)->resulttype, check);
    if (IsA(node, CoerceViaIO)) check_type(castNode(CoerceViaIO, node)->resulttype, check);
    if (IsA(node, ArrayCoerceExpr)) check_type(castNode(ArrayCoerceExpr, node)->resulttype, check);
    if (IsA(node, ConvertRowtypeExpr)) check_type(castNode(ConvertRowtypeExpr, node)->resulttype, check);
    if (IsA(node, FuncExpr)) check_type(castNode(FuncExpr, node)->funcresulttype, check);
    if (IsA(node, OpExpr)) check_type(castNode(OpExpr, node)->opresulttype, check);
    if (IsA(node, Aggref)) check_type(castNode(Aggref, node)->aggtype, check);
    if (IsA(node, WindowFunc)) check_type(castNode(WindowFunc, node)->wintype, check);
#if PG_VERSION_NUM >= 160000
    if (IsA(node, JsonConstructorExpr))
        check_type(castNode(JsonConstructorExpr, node)->returning->typid, check);
#endif
#if PG_VERSION_NUM >= 170000
    if (IsA(node, JsonExpr)) check_type(castNode(JsonExpr, node)->returning->typid, check);
#endif
    if (IsA(node, RangeTblFunction)) check_types(castNode(RangeTblFunction, node)->funccoltypes, check);
    if (IsA(node, TableFunc)) check_types(castNode(TableFunc, node)->coltypes, check);
}

bool check_expression(Node* node, void* context) {
    if (!node) return false;
    auto* check = static_cast<CodeCheck*>(context);
    if (check->refused) return true;  // looks no further
    if (IsA(node, Query))
        return query_tree_walker(castNode(Query, node), kWalker, context, QTW_EXAMINE_RTES_BEFORE);
    if (IsA(node, RangeTblEntry)) {  // a view's own entries name it beside what it reads
        if (OidIsValid(castNode(RangeTblEntry, node)->relid))
            check_relation(castNode(RangeTblEntry, node)->relid, check);
        return false;
    }
    check_made_value(node, check);
    check_operation(node, check);
    (void)check_functions_in_node(node, check_called, context);
    return expression_tree_walker(node, kWalker, context);
}

}  // namespace

namespace {

void look_at_code(SPIPlanPtr plan, CodeCheck* check) {
    ListCell* cell;
    foreach (cell, SPI_plan_get_plan_sources(plan)) {
        auto* source = static_cast<CachedPlanSource*>(lfirst(cell));
        (void)check_expression(reinterpret_cast<Node*>(source->query_list), check);
    }
}

}  // namespace

void check_code(SPIPlanPtr plan, Oid run_as) {
    CodeCheck check{run_as, false, false};
    look_at_code(plan, &check);
}

bool is_trusted_code(SPIPlanPtr plan, Oid run_as) {
    CodeCheck check{run_as, true, false};
    look_at_code(plan, &check);
    return !check.refused;
}

bool may_read(const SourceTable& table, std::span<const Column> columns, Oid reader) {
    for (const Column& column : columns)
        if (!may_select(table, column, reader)) return false;
    const Oid schema = get_rel_namespace(table.relation);
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(NamespaceRelationId, schema, reader, ACL_USAGE) == ACLCHECK_OK;
#else
    return pg_namespace_aclcheck(schema, reader, ACL_USAGE) == ACLCHECK_OK;
#endif
}

bool hides_rows(const SourceTable& table, Oid reader) {
    if (is_trusted(relation_owner(table.relation), reader)) return false;
    return table.kind == RELKIND_FOREIGN_TABLE ||
           check_enable_rls(table.relation, reader, true) == RLS_ENABLED;
}

void check_reader(const SourceTable& table, std::span<const Column> columns, Oid reader) {
    if (!role_exists(reader))
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT),
                 errmsg("the role that the model belonged to has been dropped"),
                 errhint("Give the clicks, or give the model to another role with seqrec_set_owner.")));
    check_select(table, columns, reader);
    if (check_enable_rls(table.relation, reader, true) == RLS_ENABLED)
        ereport(
            ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("row-level security hides rows of \"%s\" from role \"%s\"", get_rel_name(table.relation),
                    role_name(reader)),
             errdetail("Which ones may depend on the session, so that a model would be of other rows than "
                       "the session sees."),
             errhint("Train as a role that it does not hold for (the table's owner, unless it is forced), or "
                     "from a "
                     "table or a materialized view that holds the rows wanted.")));
}

Oid run_as(const SourceTable& table, Oid reader) {
    const Oid owner = relation_owner(table.relation);
    return is_trusted(owner, reader) ? reader : owner;
}

namespace {

struct KeyColumns {
    Column all[3];
};

KeyColumns keys_of(const RatingsTable& ratings) { return {{ratings.user, ratings.item, ratings.time}}; }

}  // namespace

void check_reader(const RatingsTable& ratings, Oid reader) {
    check_reader(ratings, keys_of(ratings).all, reader);
}

Reading plan_reading(RatingsTable& ratings, Oid reader) {
    return plan_reading(ratings, keys_of(ratings).all, casts_ids(ratings), reader);
}

Reading plan_reading(SourceTable& table, std::span<const Column> columns, bool pins_text, Oid reader) {
    check_reader(table, columns, reader);
    const Oid role = run_as(table, reader);
    table.shows_places = pg_class_aclcheck(table.relation, role, ACL_SELECT) == ACLCHECK_OK;
    // A view with security_invoker shows its reader's rows, and only its reader's: no other role can stand
    // in.
    if (role != reader && table.kind == RELKIND_VIEW) {
        Relation view = relation_open(table.relation, AccessShareLock);
        const bool invoker = RelationHasSecurityInvoker(view);
        relation_close(view, NoLock);
        CodeCheck check{reader, false, false};
        if (invoker)
            refuse_code(psprintf("view \"%s\" with security_invoker", get_rel_name(table.relation)), role,
                        &check);
    }
    return {reader, role, pstrdup(configured_path(role)), pins_text || table.kind == RELKIND_VIEW};
}

RoleScope enter_reading(const Reading& reading) {
    const RoleScope scope = enter_role(reading.run_as, reading.search_path);
    (void)set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                            false);
    if (reading.pins_text) pin_text_settings();
    return scope;
}

SPIPlanPtr prepare_reading(const Reading& reading, const char* query, int parameters, Oid* types) {
    SPIPlanPtr plan = SPI_prepare(query, parameters, types);
    if (!plan)
        elog(ERROR, "could not prepare the reading of a source: %s", SPI_result_code_string(SPI_result));
    check_code(plan, reading.run_as);
    return plan;
}

}  // namespace seqrec
