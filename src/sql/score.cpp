// The SQL functions that look at single items and users: scores, neighbours, vectors.
#include "core/ages.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/recommend.hpp"

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/settings.hpp"
#include "serving/history.hpp"
#include "serving/serving_model.hpp"
#include "sql/answering.hpp"
#include "sql/context.hpp"
#include "sql/result_rows.hpp"
#include "tables/id_text.hpp"

extern "C" {
#include "funcapi.h"
}

namespace seqrec {
namespace {

// Results until their rows are built. Static, so that no destructor is skipped when building them fails.
std::vector<ScoredItem> found;
struct Scored {
    std::string_view id;
    float score, probability;
    bool known;
};
std::vector<Scored> scored;

ServingModel& model_named(std::string_view name) { return serving_model(name.data(), name.size()); }

/// User and clicks of a call, the clicks read now when they are not given.
SqlAsker read_whole_asker(FunctionCallInfo fcinfo, std::string_view model, int context) {
    SqlAsker asker = read_asker(fcinfo, context);
    read_missing_clicks(asker, model);
    canonicalize(asker, model_named(model));
    return asker;
}

/// An item's id as the model spells it.
std::string_view item_id(const ServingModel& model, std::string_view id) {
    canonicalize(std::span(&id, 1), model.item_type);
    return id;
}

Query query_of(const ServingModel& model, const SqlAsker& asker) {
    const auto context = parse_context(asker.context);
    return asker_query(*model.snapshot, {asker.user, asker.clicks.view(), pointer(context)}, settings::exact,
                       check_for_interrupts);
}

/// The softmax over the known items at the temperature that the model was trained with.
void fill_softmax(double temperature) {
    double most = -std::numeric_limits<double>::infinity(), total = 0;
    for (const Scored& item : scored)
        if (item.known) most = std::max(most, static_cast<double>(item.score));
    const auto weight = [&](const Scored& item) {
        return item.known ? std::exp((static_cast<double>(item.score) - most) / temperature) : 0.0;
    };
    for (const Scored& item : scored) total += weight(item);
    for (Scored& item : scored) item.probability = total > 0 ? static_cast<float>(weight(item) / total) : 0;
}

/// Shares of popularity.
void fill_shares() {
    double total = 0;
    for (const Scored& item : scored) total += static_cast<double>(item.score);
    for (Scored& item : scored) item.probability = total > 0 ? static_cast<float>(item.score / total) : 0;
}

/// The chance of each known item: its own where scores are logits, else when one of these items is taken.
void fill_probabilities(const Snapshot& snapshot, bool known) {
    if (snapshot.form().link != Link::Sigmoid)
        return known ? fill_softmax(snapshot.temperature()) : fill_shares();
    for (Scored& item : scored)
        if (!known)
            item.probability = NAN;  // popularity is none of a single item
        else
            item.probability = item.known ? probability_of(item.score) : 0;
}

/// Fills `scored`, best first, unknown items last.
void score_items(const ServingModel& model, const SqlAsker& asker, const IdArray& items) {
    const Snapshot& snapshot = *model.snapshot;
    const Query query = query_of(model, asker);
    scored.clear();
    for (const std::string_view id : items.view()) {
        if (scored.size() % kPollEvery == 0) check_for_interrupts();
        const std::int32_t item = snapshot.items().find(id);
        scored.push_back({id, item < 0 ? 0 : score_of(snapshot, query, item), 0, item >= 0});
    }
    fill_probabilities(snapshot, query.known);
    std::stable_sort(scored.begin(), scored.end(), [](const Scored& a, const Scored& b) {
        return a.known != b.known ? a.known : a.score > b.score;
    });
}

Datum score_rows(FunctionCallInfo fcinfo) {
    const std::string_view name = read_model(fcinfo, 3);
    const SqlAsker asker = read_whole_asker(fcinfo, name, 4);
    IdArray items{};
    if (!PG_ARGISNULL(2)) items = id_array(PG_GETARG_DATUM(2), "item_ids", kMostGivenIds);
    const ServingModel& model = model_named(name);
    canonicalize(items.view(), model.item_type);
    guarded([&] { score_items(model, asker, items); });
    ReturnSetInfo* info = begin_rows(fcinfo);
    for (const Scored& item : scored) {
        Datum values[3] = {id_datum(item.id), Float4GetDatum(item.score), Float4GetDatum(item.probability)};
        bool nulls[3] = {false, !item.known, !item.known || std::isnan(item.probability)};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
    return (Datum)0;
}

// --- one item's score, the asker's vector kept at the place of the call ---

/// What a call of seqrec_score_item keeps for the next row, in the memory of its place in the query.
struct CallSite {
    std::string_view key;  // the arguments that the vector was made from, byte by byte
    std::int64_t model_id;
    std::span<const float> vector;
    bool known;
    float offset;
    std::span<const Shift> shifts;
};

/// An argument's bytes, and whether it is NULL.
void append_argument(FunctionCallInfo fcinfo, int number, StringInfo key) {
    appendStringInfoChar(key, PG_ARGISNULL(number) ? 'n' : 'v');
    if (PG_ARGISNULL(number)) return;
    struct varlena* bytes = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(number));
    appendBinaryStringInfo(key, reinterpret_cast<const char*>(bytes), static_cast<int>(VARSIZE_ANY(bytes)));
}

std::string_view call_key(FunctionCallInfo fcinfo) {
    if (PG_NARGS() < 5) report_old_extension();
    StringInfoData key;
    initStringInfo(&key);
    for (const int number : {0, 1, 3, 4}) append_argument(fcinfo, number, &key);
    return {key.data, static_cast<std::size_t>(key.len)};
}

/// The call's vector, made when the arguments or the model's version are not those of the row before.
const CallSite& call_site(FunctionCallInfo fcinfo, std::string_view key, ServingModel& model) {
    auto* site = static_cast<CallSite*>(fcinfo->flinfo->fn_extra);
    if (site && site->model_id == model.model_id && site->key == key) return *site;
    const SqlAsker asker = read_whole_asker(fcinfo, read_model(fcinfo, 3), 4);
    const MemoryContext lasting = fcinfo->flinfo->fn_mcxt;
    const auto dim = static_cast<std::size_t>(model.snapshot->dim());
    if (!site) site = static_cast<CallSite*>(MemoryContextAllocZero(lasting, sizeof(CallSite)));
    fcinfo->flinfo->fn_extra = site;
    auto* vector = static_cast<float*>(MemoryContextAlloc(lasting, sizeof(float) * dim));
    Shift shifts[kMostAged];
    std::size_t shift_count = 0;
    bool known = false;
    const float offset = guarded([&] {
        const Query query = query_of(model, asker);
        std::ranges::copy(query.vector, vector);
        std::ranges::copy(query.shifts, shifts);
        shift_count = query.shifts.size();
        known = query.known;
        return query.offset;
    });
    auto* kept_shifts = static_cast<Shift*>(MemoryContextAlloc(lasting, sizeof(Shift) * (shift_count + 1)));
    std::copy_n(shifts, shift_count, kept_shifts);
    char* bytes = static_cast<char*>(MemoryContextAlloc(lasting, key.size()));
    memcpy(bytes, key.data(), key.size());
    if (site->key.data()) {
        pfree(const_cast<char*>(site->key.data()));
        pfree(const_cast<float*>(site->vector.data()));
        pfree(const_cast<Shift*>(site->shifts.data()));
    }
    *site = {{bytes, key.size()}, model.model_id, {vector, dim}, known, offset, {kept_shifts, shift_count}};
    return *site;
}

Datum score_one(FunctionCallInfo fcinfo) {
    ServingModel& model = model_named(read_model(fcinfo, 3));
    const CallSite& site = call_site(fcinfo, call_key(fcinfo), model);
    if (PG_ARGISNULL(2)) PG_RETURN_NULL();
    const std::string_view id = item_id(model, text_id(PG_GETARG_DATUM(2)));
    bool known = false;
    const float score = guarded([&] {
        const std::int32_t item = model.snapshot->items().find(id);
        known = item >= 0;
        return known ? score_of(*model.snapshot, {site.vector, site.known, site.offset, site.shifts}, item)
                     : 0;
    });
    if (!known) PG_RETURN_NULL();
    PG_RETURN_FLOAT4(score);
}

// --- neighbours ---

Datum similar_rows(FunctionCallInfo fcinfo) {
    if (PG_NARGS() < 6) report_old_extension();
    Wish wish = read_item_wish(fcinfo, 1);
    const ServingModel& model = open_for_answering(wish, {});
    const std::string_view item =
        PG_ARGISNULL(0) ? std::string_view() : item_id(model, text_id(PG_GETARG_DATUM(0)));
    guarded([&] { found = work.recommender->similar(item); });
    put_ranked(fcinfo, *model.snapshot, found);
    return (Datum)0;
}

/// A palloc'd copy of a vector that C++ made.
template <typename Make>
std::span<const float> kept(std::size_t dim, Make make) {
    auto* copy = static_cast<float*>(palloc(sizeof(float) * dim));
    guarded([&] { std::ranges::copy(make(), copy); });
    return {copy, dim};
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_score);
Datum seqrec_score(PG_FUNCTION_ARGS) { return seqrec::score_rows(fcinfo); }

PG_FUNCTION_INFO_V1(seqrec_score_item);
Datum seqrec_score_item(PG_FUNCTION_ARGS) { return seqrec::score_one(fcinfo); }

PG_FUNCTION_INFO_V1(seqrec_similar_items);
Datum seqrec_similar_items(PG_FUNCTION_ARGS) { return seqrec::similar_rows(fcinfo); }

PG_FUNCTION_INFO_V1(seqrec_user_embedding);
Datum seqrec_user_embedding(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::string_view name = read_model(fcinfo, 2);
    const SqlAsker asker = read_whole_asker(fcinfo, name, 3);
    const ServingModel& model = model_named(name);
    const auto dim = static_cast<std::size_t>(model.snapshot->dim());
    PG_RETURN_DATUM(reals_datum(kept(dim, [&] { return query_of(model, asker).vector; })));
}

PG_FUNCTION_INFO_V1(seqrec_item_embedding);
Datum seqrec_item_embedding(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const ServingModel& model = model_named(read_model(fcinfo, 1));
    const std::string_view id = item_id(model, text_id(PG_GETARG_DATUM(0)));
    const std::int32_t item = guarded([&] { return model.snapshot->items().find(id); });
    if (item < 0) PG_RETURN_NULL();
    const auto dim = static_cast<std::size_t>(model.snapshot->dim());
    PG_RETURN_DATUM(reals_datum(kept(dim, [&] { return item_vector(*model.snapshot, item); })));
}

PG_FUNCTION_INFO_V1(seqrec_unknown_items);
Datum seqrec_unknown_items(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const IdArray ids = id_array(PG_GETARG_DATUM(0), "item_ids", kMostGivenIds);
    const ServingModel& model = model_named(read_model(fcinfo, 1));
    Datum* unknown = static_cast<Datum*>(
        palloc_extended(sizeof(Datum) * static_cast<Size>(ids.count + 1), MCXT_ALLOC_HUGE));
    int count = 0;
    for (const std::string_view id : ids.view()) {
        CHECK_FOR_INTERRUPTS();
        const std::string_view spelled = item_id(model, id);
        if (guarded([&] { return model.snapshot->items().find(spelled); }) < 0)
            unknown[count++] = id_datum(id);
    }
    PG_RETURN_ARRAYTYPE_P(construct_array(unknown, count, TEXTOID, -1, false, TYPALIGN_INT));
}
}
