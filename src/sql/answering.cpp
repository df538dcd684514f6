#include "sql/answering.hpp"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>

#include "serving/history.hpp"
#include "sql/context.hpp"
#include "sql/known_arrays.hpp"
#include "sql/number_ids.hpp"
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

/// Candidates as a wish has them, and what tells them from others.
std::string_view bytes_of(const ArrayType* array) {
    return {reinterpret_cast<const char*>(array) + VARHDRSZ, VARSIZE(array) - VARHDRSZ};
}

std::shared_ptr<const Candidates> looked_up(const Snapshot& snapshot, auto ids) {
    return std::make_shared<const Candidates>(snapshot.items(), ids, work.poll);
}

void look_up_candidates(const ServingModel& model, const ArrayType* array) {
    const Snapshot& snapshot = *model.snapshot;
    if (holds_numbers(array) && numbers_are_ids(model.item_type)) {
        const std::span<const std::int64_t> numbers = numbers_of(array);
        return guarded([&] { work.candidates = looked_up(snapshot, numbers); });
    }
    IdArray ids = ids_of(array);
    canonicalize(ids.view(), model.item_type);
    const std::span<const std::string_view> texts = ids.view();
    guarded([&] { work.candidates = looked_up(snapshot, texts); });
}

/// The same, or those of an earlier call that had the same.
void find_candidates(ServingModel& model, const Wish& wish) {
    const ArrayType* array = wish.candidates;
    if (reading_needs_settings(model.item_type)) return look_up_candidates(model, array);
    guarded([&] { work.candidates = model.candidates.find(bytes_of(array)); });
    if (!work.candidates) {
        look_up_candidates(model, array);
        guarded([&] { model.candidates.keep(bytes_of(array), work.candidates); });
    }
    remember_candidates(wish.given_candidates, model.version, work.candidates);
}

/// Fills work.candidates.
void choose_candidates(ServingModel& model, const Wish& wish) {
    guarded([&] {
        work.candidates = wish.candidates ? known_candidates(wish.given_candidates, model.version) : nullptr;
    });
    if (wish.candidates && !work.candidates) find_candidates(model, wish);
}

const ServingModel& begin_with(ServingModel& model, Wish& wish, std::span<SqlAsker> askers) {
    for (SqlAsker& asker : askers) canonicalize(asker, model);
    canonicalize(wish.exclude.view(), model.item_type);
    require_probabilities(wish, model);
    choose_candidates(model, wish);
    guarded([&] {
        work.model = &model;
        work.request = wish.request();
        work.request.allowed = work.candidates.get();
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
