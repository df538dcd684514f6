#include "tables/row_receiver.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "tcop/dest.h"
}

namespace seqrec {
namespace {

struct RowReceiver {
    DestReceiver pub;  // first, so that a pointer to either is a pointer to both
    RowFunction row;
    void* state;
    MemoryContext scratch;
};

bool receive(TupleTableSlot* slot, DestReceiver* self) {
    auto* receiver = reinterpret_cast<RowReceiver*>(self);
    slot_getallattrs(slot);
    const MemoryContext before = MemoryContextSwitchTo(receiver->scratch);
    receiver->row(slot, receiver->state);
    MemoryContextSwitchTo(before);
    MemoryContextReset(receiver->scratch);
    return true;
}

}  // namespace

namespace {

/// `execute(options)` runs something whose rows go to `row`.
template <typename Execute>
void receive_rows(ParamListInfo params, RowFunction row, void* state, Execute execute) {
    RowReceiver receiver = {};
    receiver.pub.receiveSlot = receive;
    receiver.pub.rStartup = [](DestReceiver*, int, TupleDesc) {};
    receiver.pub.rShutdown = [](DestReceiver*) {};
    receiver.pub.rDestroy = [](DestReceiver*) {};
    receiver.pub.mydest = DestNone;
    receiver.row = row;
    receiver.state = state;
    receiver.scratch = AllocSetContextCreate(CurrentMemoryContext, "seqrec row", ALLOCSET_SMALL_SIZES);
    SPIExecuteOptions options = {};
    options.params = params;
    options.read_only = true;
    options.dest = &receiver.pub;
    const int code = execute(&options);
    if (code < 0) elog(ERROR, "query failed: %s", SPI_result_code_string(code));
    MemoryContextDelete(receiver.scratch);
}

}  // namespace

void for_each_row(const char* sql, ParamListInfo params, RowFunction row, void* state) {
    receive_rows(params, row, state,
                 [&](const SPIExecuteOptions* options) { return SPI_execute_extended(sql, options); });
}

void for_each_row(SPIPlanPtr plan, ParamListInfo params, RowFunction row, void* state) {
    receive_rows(params, row, state,
                 [&](const SPIExecuteOptions* options) { return SPI_execute_plan_extended(plan, options); });
}

}  // namespace seqrec
