#include "kinds/transformer/trials.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "clock.hpp"
#include "kinds/transformer/transformer_learner.hpp"

namespace seqrec::trainer {
namespace {

constexpr double kTime = 0.05;      // of all that there is, for one
constexpr std::int64_t kMost = 10;  // parts of the time that one may never pass, should the pace be wrong
constexpr double kLabels = 100000;  // of a pass, below which a part of the users tells nothing of all
constexpr std::size_t kFewQuestions = 100;  // by which nothing is decided
constexpr double kShown = 0.1;              // of the whole, as told to who watches

/// Of the users, as many as there is time for; all where they are few.
double share_of(const Run& run, const Settings& settings, const Pace& pace) {
    const double labels = pace.labels_in(kTime * settings.max_seconds) / kShortEpochs;
    const double all = static_cast<double>(std::max<std::int64_t>(run.data.training_interactions(), 1));
    if (labels >= all) return 1;
    return labels >= kLabels ? labels / all : 0;
}

}  // namespace

Trials::Trials(const Run& run, const Settings& settings, const Pace& pace, const Random& random, Turn& turn)
    : run_(run), settings_(settings), random_(random), turn_(turn), share_(share_of(run, settings, pace)) {}

bool Trials::is_possible() {
    const bool possible = share_ > 0 && run_.data.questions(HeldOut::Validation).size() >= kFewQuestions;
    if (!possible) metrics_["trials"] = "none";
    return possible;
}

bool Trials::trains_content(const at::Tensor& content) {
    if (!content.defined() || settings_.content_use != "auto")
        return content.defined() && settings_.content_use == "trained";
    if (!is_possible()) return true;
    const ShortTraining with = train(content, {}, kShortEpochs);
    // As many epochs, however long they take now: what else the machine does must not decide.
    const ShortTraining without = train({}, {}, with.epochs);
    metrics_["content_ndcg@10"] = {{"with", with.ndcg}, {"without", without.ndcg}, {"epochs", with.epochs}};
    return with.ndcg >= without.ndcg;
}

ContextUse Trials::uses_context(const at::Tensor& content) {
    const bool tries = settings_.context_use == "auto" && context_of(run_.data).any();
    if (tries && !is_possible()) return {};
    const ContextChoice choice = choose_context(
        run_, settings_.context_use,
        [&](const Moments& moments, std::int64_t epochs) { return train(content, moments, epochs); });
    metrics_.update(choice.metrics);
    return choice.use;
}

ShortTraining Trials::train(const at::Tensor& content, const Moments& moments, std::int64_t most_epochs) {
    const bool is_plain = !content.defined() && !moments.exists();
    if (is_plain && plain_ && plain_->epochs == most_epochs) return *plain_;
    const auto begin = std::chrono::steady_clock::now();
    Settings settings = settings_;
    settings.epochs = std::min(settings.epochs, most_epochs);
    Random random = random_;  // the same for all
    Member start{Transformer(settings, run_.data.items(), random, content.defined() ? content.size(1) : 0),
                 at::zeros({run_.data.users(), settings.user_width()})};
    start.network.begin_moments(moments.rows());
    TransformerLearner learner(run_.data, settings, content, std::move(start), run_.workers, moments);
    const Run apart{run_.data, run_.workers, run_.reporter};  // no checkpoint
    const Turn turn{.of = kMost, .begun = turn_.begun, .shown = kShown, .stage = "trial"};
    EpochSettings course = settings.course();
    course.users_share = share_;
    Epochs epochs(apart, course, learner, Random(random.next()), turn);
    epochs.run();
    turn_.begun += kShown;
    turn_.before.seconds += seconds_since(begin);
    ShortTraining done{epochs.best_ndcg(), std::max<std::int64_t>(epochs.totals().epochs, 1), learner.best()};
    if (is_plain) plain_ = done;
    return done;
}

}  // namespace seqrec::trainer
