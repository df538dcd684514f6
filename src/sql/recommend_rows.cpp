// The SQL functions that recommend to one asker: fetch arguments, compute in core/, build rows.
#include <nlohmann/json.hpp>

#include "sql/answering.hpp"
#include "sql/result_rows.hpp"

extern "C" {
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
}

namespace seqrec {
namespace {

nlohmann::json describe(const SqlAsker& asker, const Answer& answer) {
    const Snapshot& snapshot = *work.model->snapshot;
    nlohmann::json items = nlohmann::json::array(), unknown = nlohmann::json::array();
    for (const ScoredItem& item : answer.items) {
        items.push_back({{"rank", items.size() + 1},
                         {"item_id", to_utf8(snapshot.items().id(item.item))},
                         {"score", item.score}});
        if (has_probabilities(answer)) items.back()["probability"] = probability_of(item.score);
    }
    for (const std::uint32_t position : answer.unknown_clicks)
        unknown.push_back(to_utf8(asker.clicks.ids[position]));
    return {{"model", to_utf8(work.model->name)},
            {"model_id", work.model->model_id},
            {"version", work.model->version},
            {"source", source_of(asker, answer)},
            {"fallback", answer.source == Source::Popular},
            {"user_known", answer.user_known},
            {"unknown_items", unknown},
            {"unknown_context", answer.unknown_context},
            {"items", items}};
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_recommend);
Datum seqrec_recommend(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    (void)answer_call(fcinfo);
    tell_fallback();
    put_ranked(fcinfo, *work.model->snapshot, work.answers.front().items);
    return (Datum)0;
}

PG_FUNCTION_INFO_V1(seqrec_recommend_info);
Datum seqrec_recommend_info(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const SqlAsker asker = answer_call(fcinfo);
    const char* text = guarded([&] { return from_utf8(json_text(describe(asker, work.answers.front()))); });
    PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}
}
