#include "sql/answering.hpp"

#include "serving/history.hpp"
#include "tables/id_text.hpp"

namespace seqrec {

Work work;

void begin_answering(Wish& wish, std::span<SqlAsker> askers) {
    for (SqlAsker& asker : askers) read_missing_clicks(asker, wish.model);
    open_for_answering(wish, askers);
}

const ServingModel& open_for_answering(Wish& wish, std::span<SqlAsker> askers) {
    ServingModel& model = serving_model(wish.model.data(), wish.model.size());
    for (SqlAsker& asker : askers) canonicalize(asker, model);
    canonicalize(wish.exclude.view(), model.item_type);
    canonicalize(wish.candidates.view(), model.item_type);
    guarded([&] {
        work.model = &model;
        work.request = wish.request();
        work.answers.clear();
        work.recommender = std::make_unique<const Recommender>(*model.snapshot, work.request, work.poll);
    });
    return model;
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

void answer(std::span<const SqlAsker> askers) {
    guarded([&] {
        std::vector<Asker> plain;
        for (const SqlAsker& asker : askers) plain.push_back({asker.user, asker.clicks.view()});
        work.answers = work.recommender->answer(plain);
    });
}

const char* source_of(const SqlAsker& asker, const Answer& answer) {
    if (asker.wants_history() && answer.source == Source::Clicks) return "history";
    return source_name(answer.source).data();
}

}  // namespace seqrec
