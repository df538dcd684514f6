#include "kinds/transformer/students.hpp"

#include <chrono>
#include <utility>

#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr double kDropout = 0.5;  // of the members'
constexpr double kAsGood = 0.99;  // of the members' NDCG@10, at a fraction of what they cost

Teacher ask(const Lessons& lessons, const Members& members, Turn& turn) {
    const auto begin = std::chrono::steady_clock::now();
    const double share = static_cast<double>(turn.number) / static_cast<double>(turn.of);
    const auto poll = [&] {
        lessons.run.reporter.progress(
            {{"phase", "training"}, {"percent", 100 * (turn.begun + (1 - turn.begun) * share)}});
    };
    Teacher teacher(members, lessons.run.data, lessons.moments, lessons.settings.temperature,
                    lessons.run.workers, poll);
    turn.before.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return teacher;
}

/// NDCG@10 on the validation questions, as Epochs has it; 0 where there are none.
double validated(const Run& run, const Members& members) {
    const std::vector<Question> questions = few_questions(run.data, HeldOut::Validation);
    if (questions.empty()) return 0;
    const TransformerWeights weights(members);
    const auto poll = [&](double share) {
        run.reporter.progress({{"phase", "evaluating"}, {"evaluated", share}});
    };
    const Shifts shifts = fit_shifts(run.data, questions, weights, run.workers, poll);
    const Ranking ranking =
        rank_held_out(run.data, questions, HeldOut::Validation, weights, shifts, run.workers, poll);
    return ranking_metrics(ranking.ranks)["ndcg@10"];
}

}  // namespace

Graduation teach(const Lessons& lessons, const Networks& members, Members start, Turn& turn, Random& random) {
    const Teacher teacher = ask(lessons, members.measured, turn);
    Settings settings = lessons.settings;
    settings.dropout *= kDropout;
    Lessons taught{lessons.run, settings, lessons.course, lessons.content, lessons.moments};
    taught.teacher = &teacher;
    Networks students = train_each(taught, std::move(start), turn, random);
    const double before = validated(lessons.run, members.measured);
    const double after = validated(lessons.run, students.measured);
    json told = {
        {"teachers", members.measured.size()}, {"teachers_ndcg@10", before}, {"students_ndcg@10", after}};
    const bool as_good = after >= kAsGood * before;
    return {as_good ? std::move(students) : members, as_good, {{"teaching", std::move(told)}}};
}

}  // namespace seqrec::trainer
