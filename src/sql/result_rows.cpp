#include "sql/result_rows.hpp"

#include <charconv>

extern "C" {
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

namespace seqrec {

Datum id_datum(std::string_view id, Oid type) {
    if (type != INT8OID)
        return PointerGetDatum(cstring_to_text_with_len(id.data(), static_cast<int>(id.size())));
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), value);
    if (error != std::errc() || end != id.data() + id.size())
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("item id \"%s\" is not a bigint", pnstrdup(id.data(), id.size())),
                        errhint("Call the function with ids as text.")));
    return Int64GetDatum(value);
}

Datum reals_datum(std::span<const float> values) {
    Datum* elements = static_cast<Datum*>(palloc(sizeof(Datum) * values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) elements[i] = Float4GetDatum(values[i]);
    return PointerGetDatum(construct_array(elements, static_cast<int>(values.size()), FLOAT4OID,
                                           sizeof(float), true, TYPALIGN_INT));
}

Datum indexed_id(const IdIndex& ids, std::int32_t index, Oid type) {
    return id_datum(guarded([&] { return ids.id(index); }), type);
}

void put_ranked(FunctionCallInfo fcinfo, const Snapshot& snapshot, std::span<const ScoredItem> items,
                Oid type) {
    InitMaterializedSRF(fcinfo, 0);
    auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    int rank = 0;
    for (const ScoredItem& item : items) {
        Datum values[3] = {Int32GetDatum(++rank), indexed_id(snapshot.items(), item.item, type),
                           Float4GetDatum(item.score)};
        bool nulls[3] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
}

}  // namespace seqrec
