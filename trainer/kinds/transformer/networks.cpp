#include "kinds/transformer/networks.hpp"

#include <utility>

namespace seqrec::trainer {

Networks train_each(const Curriculum& curriculum, Members start, Turn& turn, Random& random) {
    Networks done;
    turn.members = std::ssize(start);
    turn.member = 0;
    for (Member& member : start) {
        TransformerLearner learner(curriculum.run.data, curriculum.settings, curriculum.content,
                                   std::move(member), curriculum.run.workers, curriculum.moments);
        if (curriculum.rehearsal) learner.rehearse(*curriculum.rehearsal);
        if (curriculum.teacher) learner.learn_from(*curriculum.teacher);
        ++turn.member;
        Epochs epochs(curriculum.run, curriculum.course, learner, Random(random.next()), turn);
        epochs.run();
        done.measured.push_back(learner.best());
        epochs.fit_all();
        done.served.push_back(learner.best());
        done.metrics = learner.metrics();
        turn.before = epochs.totals();
        done.metrics["best_epoch"] = turn.before.best_epoch;
        ++turn.number;
    }
    return done;
}

}  // namespace seqrec::trainer
