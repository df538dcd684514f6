#include "sql/answering.hpp"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>

#include "serving/history.hpp"
#include "sql/allowed_items.hpp"
#include "sql/context.hpp"
#include "tables/id_text.hpp"

namespace seqrec {
namespace {

/// A probability is asked for where there is none.
void require_probabilities(const Wish& wish, const ServingModel& model) {
    if (!wish.wants_probability || model.snapshot->form().link == Link::Sigmoid) return;
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("model \"%s\" gives no probability of single items", model.name.c_str()),
             errhint("Ask with min_score, which every model has, or train a model of a kind whose scores "
                     "are logits: seqrec_kinds() says \"link\": \"sigmoid\" of it.")));
}

const ServingModel& begin_with(ServingModel& model, Wish& wish, std::span<SqlAsker> askers) {
    for (SqlAsker& asker : askers) canonicalize(asker, model);
    canonicalize(wish.exclude.view(), model.item_type);
    require_probabilities(wish, model);
    find_allowed_items(model, wish.candidates, work.candidates);
    guarded([&] {
        work.model = &model;
        work.request = wish.request();
        work.request.candidates = work.candidates.get();
        work.answers.clear();
        work.recommender = std::make_unique<const Recommender>(*model.snapshot, work.request, work.poll);
    });
    return model;
}

}  // namespace

Work work;

void begin_answering(Wish& wish, std::span<SqlAsker> askers) {
    for (SqlAsker& asker : askers) read_missing_clicks(asker, wish.model);
    open_for_answering(wish, askers);
}

void begin_answering_all(Wish& wish) { begin_with(active_model(wish.model), wish, {}); }

const ServingModel& open_for_answering(Wish& wish, std::span<SqlAsker> askers) {
    return begin_with(serving_model(wish.model.data(), wish.model.size()), wish, askers);
}

std::span<SqlAsker> askers_of(const IdArray& users) {
    auto* askers = static_cast<SqlAsker*>(palloc0(sizeof(SqlAsker) * static_cast<Size>(users.count + 1)));
    for (int i = 0; i < users.count; ++i) askers[i].user = users.ids[i];
    return {askers, static_cast<std::size_t>(users.count)};
}

void canonicalize(SqlAsker& asker, const ServingModel& model) {
    canonicalize(std::span(&asker.user, 1), model.user_type);
    if (asker.clicks_given) canonicalize(asker.clicks.view(), model.item_type);
}

namespace {

void compute(std::span<const SqlAsker> askers) {
    guarded([&] {
        std::vector<Asker> plain;
        std::deque<nlohmann::json> contexts;  // which stay where they are
        const Jsonb* latest = nullptr;
        for (const SqlAsker& asker : askers) {
            if (asker.context && asker.context != latest) contexts.push_back(*parse_context(asker.context));
            if (asker.context) latest = asker.context;
            plain.push_back(
                {asker.user, asker.clicks.view(), asker.context ? &contexts.back() : nullptr, asker.k});
        }
        work.answers = work.recommender->answer(plain);
    });
}

}  // namespace

void answer(std::span<const SqlAsker> askers) {
    if (std::ranges::none_of(askers, [](const SqlAsker& asker) { return asker.context != nullptr; }))
        return compute(askers);
    const MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "seqrec contexts", ALLOCSET_DEFAULT_SIZES);
    const MemoryContext before = MemoryContextSwitchTo(scratch);
    compute(askers);
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
}

bool has_probabilities(const Answer& answer) {
    return work.model->snapshot->form().link == Link::Sigmoid && answer.source != Source::Popular;
}

const char* source_of(const SqlAsker& asker, const Answer& answer) {
    if (asker.wants_history() && answer.source == Source::Clicks) return "history";
    return source_name(answer.source).data();
}

void tell_fallback() {
    const Answer& answer = work.answers.front();
    if (answer.source != Source::Popular) return;
    const char* name = work.model->name.c_str();
    const char* why =
        answer.user_known
            ? psprintf("model \"%s\" has nothing to answer by of the user, and no click is known to it", name)
            : psprintf("neither the user nor any click is known to model \"%s\"", name);
    ereport(NOTICE, (errmsg("%s: the most popular items answer", why),
                     errhint("seqrec_recommend_info() tells this as \"fallback\".")));
}

SqlAsker answer_call(FunctionCallInfo fcinfo) {
    Wish wish = read_wish(fcinfo, 2);
    SqlAsker asker = read_asker(fcinfo, 2 + kWishes);
    begin_answering(wish, std::span(&asker, 1));
    answer(std::span(&asker, 1));
    return asker;
}

}  // namespace seqrec
