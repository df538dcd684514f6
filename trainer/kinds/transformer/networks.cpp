#include "kinds/transformer/networks.hpp"

#include <utility>

namespace seqrec::trainer {

Networks train_each(const Lessons& lessons, Members start, Turn& turn, Random& random) {
    Networks done;
    for (Member& member : start) {
        TransformerLearner learner(lessons.run.data, lessons.settings, lessons.content, std::move(member),
                                   lessons.run.workers, lessons.moments);
        if (lessons.rehearsal) learner.rehearse(*lessons.rehearsal);
        if (lessons.teacher) learner.learn_from(*lessons.teacher);
        Epochs epochs(lessons.run, lessons.course, learner, Random(random.next()), turn);
        epochs.run();
        done.measured.push_back(learner.best());
        epochs.fit_all();
        done.served.push_back(learner.best());
        done.metrics = learner.metrics();
        turn.before = epochs.totals();
        ++turn.number;
    }
    return done;
}

}  // namespace seqrec::trainer
