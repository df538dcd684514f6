// Tells the planner how many rows a function that takes k returns, and how it is called best.
#include "sql/number_ids.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
}

namespace seqrec {
namespace {

/// k, the last integer argument (before it only an id may be one), when it is known at planning; 0 otherwise.
int known_k(SupportRequestRows* request) {
    if (!request->node || !IsA(request->node, FuncExpr)) return 0;
    Node* k = nullptr;
    ListCell* cell;
    foreach (cell, reinterpret_cast<FuncExpr*>(request->node)->args)
        if (exprType(static_cast<Node*>(lfirst(cell))) == INT4OID) k = static_cast<Node*>(lfirst(cell));
    if (!k) return 0;
    Node* value = estimate_expression_value(request->root, k);
    if (!IsA(value, Const) || reinterpret_cast<Const*>(value)->constisnull) return 0;
    return DatumGetInt32(reinterpret_cast<Const*>(value)->constvalue);
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_rows_from_k);
Datum seqrec_rows_from_k(PG_FUNCTION_ARGS) {
    auto* request = reinterpret_cast<Node*>(PG_GETARG_POINTER(0));
    if (IsA(request, SupportRequestSimplify))
        PG_RETURN_POINTER(seqrec::without_casts(reinterpret_cast<SupportRequestSimplify*>(request)));
    if (!IsA(request, SupportRequestRows)) PG_RETURN_POINTER(nullptr);
    auto* rows = reinterpret_cast<SupportRequestRows*>(request);
    const int k = seqrec::known_k(rows);
    if (k < 1) PG_RETURN_POINTER(nullptr);  // the function's own ROWS
    rows->rows = k;
    PG_RETURN_POINTER(request);
}
}
