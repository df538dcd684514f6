// seqrec_explain: the click, or the user's own vector, that each item owes its score to.
#include <algorithm>
#include <iterator>
#include <vector>

#include "core/explain.hpp"

#include "pg/boundary.hpp"
#include "pg/settings.hpp"
#include "serving/history.hpp"
#include "serving/serving_model.hpp"
#include "sql/answering.hpp"
#include "sql/context.hpp"
#include "sql/result_rows.hpp"
#include "tables/id_text.hpp"

extern "C" {
#include "funcapi.h"
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

// Results until their rows are built. Static, so that no destructor is skipped when building them fails.
std::vector<Reason> reasons;
std::vector<std::int32_t> indexes;  // of the items, -1 for those that the model does not know

void explain_items(const ServingModel& model, const SqlAsker& asker, const IdArray& items) {
    indexes.clear();
    for (const std::string_view id : items.view()) indexes.push_back(model.snapshot->items().find(id));
    std::vector<std::int32_t> known;
    std::ranges::copy_if(indexes, std::back_inserter(known), [](std::int32_t item) { return item >= 0; });
    const auto context = parse_context(asker.context);
    reasons = explain(*model.snapshot, {asker.user, asker.clicks.view(), pointer(context)}, known,
                      settings::exact, check_for_interrupts);
}

void put_unknown(ReturnSetInfo* info, std::string_view item) {
    Datum values[4] = {id_datum(item)};
    bool nulls[4] = {false, true, true, true};
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

void put_reason(ReturnSetInfo* info, const Snapshot& snapshot, std::string_view item, const Reason& reason) {
    const bool named = reason.click >= 0;
    Datum values[4] = {id_datum(item), named ? indexed_id(snapshot.items(), reason.click) : (Datum)0,
                       Float4GetDatum(reason.contribution),
                       CStringGetTextDatum(source_name(reason.source).data())};
    bool nulls[4] = {false, !named, false, false};
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

Datum explain_rows(FunctionCallInfo fcinfo) {
    const std::string_view name = read_model(fcinfo, 3);
    SqlAsker asker = read_asker(fcinfo, 4);
    IdArray items{};
    if (!PG_ARGISNULL(2)) items = id_array(PG_GETARG_DATUM(2), "item_ids", kMostItems);
    if (items.count > 0) read_missing_clicks(asker, name);
    const ServingModel& model = serving_model(name.data(), name.size());
    canonicalize(asker, model);
    canonicalize(items.view(), model.item_type);
    guarded([&] { explain_items(model, asker, items); });
    ReturnSetInfo* info = begin_rows(fcinfo);
    std::size_t next = 0;
    for (int i = 0; i < items.count; ++i) {
        if (indexes[static_cast<std::size_t>(i)] < 0)
            put_unknown(info, items.ids[i]);
        else
            put_reason(info, *model.snapshot, items.ids[i], reasons[next++]);
    }
    return (Datum)0;
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_explain);
Datum seqrec_explain(PG_FUNCTION_ARGS) { return seqrec::explain_rows(fcinfo); }
}
