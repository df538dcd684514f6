#include "sql/result_rows.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

namespace seqrec {

Datum id_datum(std::string_view id) {
    return PointerGetDatum(cstring_to_text_with_len(id.data(), static_cast<int>(id.size())));
}

Datum reals_datum(std::span<const float> values) {
    Datum* elements = static_cast<Datum*>(palloc(sizeof(Datum) * values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) elements[i] = Float4GetDatum(values[i]);
    return PointerGetDatum(construct_array(elements, static_cast<int>(values.size()), FLOAT4OID,
                                           sizeof(float), true, TYPALIGN_INT));
}

Datum indexed_id(const IdIndex& ids, std::int32_t index) {
    return id_datum(guarded([&] { return ids.id(index); }));
}

ReturnSetInfo* begin_rows(FunctionCallInfo fcinfo) {
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    return reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
}

void put_ranked(FunctionCallInfo fcinfo, const Snapshot& snapshot, std::span<const ScoredItem> items) {
    ReturnSetInfo* info = begin_rows(fcinfo);
    int rank = 0;
    for (const ScoredItem& item : items) {
        Datum values[3] = {Int32GetDatum(++rank), indexed_id(snapshot.items(), item.item),
                           Float4GetDatum(item.score)};
        bool nulls[3] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
}

}  // namespace seqrec
