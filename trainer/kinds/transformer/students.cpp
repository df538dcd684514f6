#include "kinds/transformer/students.hpp"

#include <chrono>
#include <utility>

#include "clock.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"

namespace seqrec::trainer {

using nlohmann::json;

namespace {

constexpr double kDropout = 0.5;  // of the members'
constexpr double kAsking = 0.1;   // of the time, at most
constexpr double kAsGood = 0.99;  // of the members' NDCG@10, at a fraction of what they cost

/// Stops after its share of the time: what was not reached is learned by its labels alone.
Teacher ask(const Curriculum& curriculum, const Members& members, Turn& turn) {
    const auto begin = std::chrono::steady_clock::now();
    const double done = static_cast<double>(turn.number) / static_cast<double>(turn.of);
    const double percent = 100 * (turn.begun + (1 - turn.begun) * done);
    const auto goes_on = [&](double share) {
        curriculum.run.reporter.progress({{"phase", "training"}, {"percent", percent}, {"asked", share}});
        return seconds_since(begin) < kAsking * curriculum.settings.max_seconds;
    };
    Teacher teacher(members, curriculum.run.data, curriculum.moments, curriculum.settings.temperature,
                    curriculum.run.workers, goes_on);
    turn.before.seconds += seconds_since(begin);
    return teacher;
}

/// NDCG@10 on the validation questions, as Epochs has it; null where there are none.
json validated(const Run& run, const Members& members) {
    const std::vector<Question> questions = few_questions(run.data, HeldOut::Validation);
    if (questions.empty()) return nullptr;
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

bool ranks_as_well(const json& student, const json& teachers) {
    if (teachers.is_null()) return true;  // nobody can tell, and they were asked for
    return teachers > 0 && student.get<double>() >= kAsGood * teachers.get<double>();
}

Graduation teach(const Curriculum& curriculum, const Networks& members, Members start, Turn& turn,
                 Random& random) {
    const Teacher teacher = ask(curriculum, members.measured, turn);
    Settings settings = curriculum.settings;
    settings.dropout *= kDropout;
    Curriculum taught{curriculum.run, settings, curriculum.course, curriculum.content, curriculum.moments};
    taught.teacher = &teacher;
    turn.stage = "student";
    Networks students = train_each(taught, std::move(start), turn, random);
    const json before = validated(curriculum.run, members.measured);
    const json after = validated(curriculum.run, students.measured);
    json told = {
        {"teachers", members.measured.size()}, {"teachers_ndcg@10", before}, {"students_ndcg@10", after}};
    const bool as_good = ranks_as_well(after, before), takes_over = as_good || settings.serves_one;
    if (!takes_over)
        curriculum.run.reporter.warning("what learned from the " + std::to_string(members.measured.size()) +
                                        " members ranks worse than they do (metrics.teaching), so they are "
                                        "served; with students 0 its time is theirs");
    Networks served = takes_over ? std::move(students) : members;
    json config = {{"members", served.served.size()}, {"students", takes_over ? served.served.size() : 0}};
    return {std::move(served), std::move(config), {{"teaching", std::move(told)}}};
}

}  // namespace seqrec::trainer
