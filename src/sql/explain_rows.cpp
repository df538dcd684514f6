// seqrec_explain and seqrec_recommend_explained: the click, or the user's own vector, that each item owes its score to, and a sentence.
#include "pg/boundary.hpp"
#include "serving/history.hpp"
#include "serving/serving_model.hpp"
#include "sql/answering.hpp"
#include "sql/context.hpp"
#include "sql/reasons.hpp"
#include "sql/result_rows.hpp"
#include "tables/id_text.hpp"

extern "C" {
#include "funcapi.h"
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

/// Indexes of items, -1 for those that the model does not know; and those that it knows. Palloc'd.
struct Indexes {
    std::int32_t* all;
    std::int32_t* known;
    std::size_t known_count;
};

Indexes find_items(const ServingModel& model, const IdArray& items) {
    const auto size = sizeof(std::int32_t) * static_cast<Size>(items.count + 1);
    Indexes found{static_cast<std::int32_t*>(palloc(size)), static_cast<std::int32_t*>(palloc(size)), 0};
    guarded([&] {
        for (int i = 0; i < items.count; ++i) {
            found.all[i] = model.snapshot->items().find(items.ids[i]);
            if (found.all[i] >= 0) found.known[found.known_count++] = found.all[i];
        }
    });
    return found;
}

void put_unknown(ReturnSetInfo* info, std::string_view item) {
    Datum values[5] = {id_datum(item)};
    bool nulls[5] = {false, true, true, true, true};
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/// because_of, contribution, source, reason. Which is NULL is the first's to say.
struct ReasonColumns {
    Datum because_of, contribution, source, reason;
    bool named;
};

ReasonColumns columns_of(const Snapshot& snapshot, const Reason& reason, const char* text) {
    const bool named = reason.click >= 0;
    return {named ? indexed_id(snapshot.items(), reason.click) : (Datum)0,
            Float4GetDatum(reason.contribution), CStringGetTextDatum(source_name(reason.source).data()),
            CStringGetTextDatum(text), named};
}

void put_reason(ReturnSetInfo* info, const Snapshot& snapshot, std::string_view item, const Reason& reason,
                const char* text) {
    const ReasonColumns why = columns_of(snapshot, reason, text);
    Datum values[5] = {id_datum(item), why.because_of, why.contribution, why.source, why.reason};
    bool nulls[5] = {false, !why.named, false, false, false};
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

Datum explain_rows(FunctionCallInfo fcinfo) {
    const std::string_view name = read_model(fcinfo, 3);
    SqlAsker asker = read_asker(fcinfo, 4);
    const WordsWish words = read_words_wish(fcinfo, 5);
    IdArray items{};
    if (!PG_ARGISNULL(2)) items = id_array(PG_GETARG_DATUM(2), "item_ids", kMostItems);
    if (items.count > 0) read_missing_clicks(asker, name);
    const ServingModel& model = serving_model(name.data(), name.size());
    canonicalize(asker, model);
    canonicalize(items.view(), model.item_type);
    const Indexes indexes = find_items(model, items);
    const auto explained = explain_items(model, asker, {indexes.known, indexes.known_count});
    const Snapshot& snapshot = *model.snapshot;  // good while the transaction lasts, whatever titles run
    const char** texts = reason_texts(model, asker, explained, words);
    ReturnSetInfo* info = begin_rows(fcinfo);
    std::size_t next = 0;
    for (int i = 0; i < items.count; ++i) {
        if (indexes.all[i] < 0)
            put_unknown(info, items.ids[i]);
        else
            put_reason(info, snapshot, items.ids[i], explained[next].reason, texts[next]), ++next;
    }
    return (Datum)0;
}

/// The answer's items, palloc'd: reading titles may run a view that recommends.
std::span<const ScoredItem> kept_items(const Answer& answer) {
    auto* items = static_cast<ScoredItem*>(palloc(sizeof(ScoredItem) * (answer.items.size() + 1)));
    std::copy(answer.items.begin(), answer.items.end(), items);
    return {items, answer.items.size()};
}

std::span<const std::int32_t> indexes_of(std::span<const ScoredItem> items) {
    auto* indexes = static_cast<std::int32_t*>(palloc(sizeof(std::int32_t) * (items.size() + 1)));
    for (std::size_t i = 0; i < items.size(); ++i) indexes[i] = items[i].item;
    return {indexes, items.size()};
}

void put_ranked_reason(ReturnSetInfo* info, const Snapshot& snapshot, int rank, const ScoredItem& item,
                       const Reason& reason, const char* text) {
    const ReasonColumns why = columns_of(snapshot, reason, text);
    Datum values[7] = {Int32GetDatum(rank),
                       indexed_id(snapshot.items(), item.item),
                       Float4GetDatum(item.score),
                       why.reason,
                       why.because_of,
                       why.contribution,
                       why.source};
    bool nulls[7] = {false, false, false, false, !why.named, false, false};
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

Datum recommend_explained(FunctionCallInfo fcinfo) {
    const WordsWish words = read_words_wish(fcinfo, 3 + kWishes);
    const SqlAsker asker = answer_call(fcinfo);
    tell_fallback();
    const ServingModel& model = *work.model;
    const Snapshot& snapshot = *model.snapshot;
    const auto items = kept_items(work.answers.front());
    const auto explained = explain_items(model, asker, indexes_of(items));
    const char** texts = reason_texts(model, asker, explained, words);
    ReturnSetInfo* info = begin_rows(fcinfo);
    for (std::size_t i = 0; i < items.size(); ++i)
        put_ranked_reason(info, snapshot, static_cast<int>(i) + 1, items[i], explained[i].reason, texts[i]);
    return (Datum)0;
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_explain);
Datum seqrec_explain(PG_FUNCTION_ARGS) { return seqrec::explain_rows(fcinfo); }

PG_FUNCTION_INFO_V1(seqrec_recommend_explained);
Datum seqrec_recommend_explained(PG_FUNCTION_ARGS) { return seqrec::recommend_explained(fcinfo); }
}
