#include "kinds/shared/epochs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "clock.hpp"
#include "core/error.hpp"
#include "core/measure/drawn_users.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"

namespace seqrec::trainer {
namespace {

constexpr double kValidationShare = 0.1;       // of the arithmetic that may go into validation
constexpr std::int64_t kValidationSteps = 40;  // that lie between two validations at least
constexpr double kNegligible = 0.02;           // of the time: too little to tell whether it will be short
constexpr double kFinalShare = 0.1;            // of the epochs, once more over everything
constexpr double kShareAfterBest = 0.1;   // of the epochs: waiting longer found nothing (docs/ablations.md)
constexpr std::int64_t kBeginning = 500;  // steps in which a validation or two without gain is no summit

std::string checkpoint_path(const Run& run, const Turn& turn) {
    return run.checkpoint.empty() ? "" : run.checkpoint + "." + std::to_string(turn.number);
}

/// Steps between two validations, so that ranking takes its share of the arithmetic and no more. Counted and
/// not timed, for the same course on every machine.
std::int64_t validation_interval(const Effort& effort) {
    return std::max(kValidationSteps,
                    static_cast<std::int64_t>(effort.ranking / effort.step / kValidationShare));
}

double rate(double done, double seconds) { return done / std::max(seconds, 1e-9); }

/// Calls visit(name, value) for all that a checkpoint says of a standing.
template <typename Self, typename Visit>
void visit_standing(Self& self, Visit visit) {
    visit("epoch", self.epoch);
    visit("best_epoch", self.best_epoch);
    visit("without_gain", self.without_gain);
    visit("steps", self.steps);
    visit("labels", self.labels);
    visit("begun", self.begun);
    visit("planned_epochs", self.planned_epochs);
    visit("validated_step", self.validated_step);
    visit("cooling", self.cooling);
    visit("best_ndcg", self.best_ndcg);
    visit("epoch_loss", self.epoch_loss);
    visit("lately", self.lately);
    visit("validation_seconds", self.validation_seconds);
    visit("step_seconds", self.step_seconds);
    visit("flops", self.flops);
    visit("seconds", self.seconds);
    visit("step", self.step);
    visit("random", self.random);
    visit("finished", self.finished);
}

}  // namespace

nlohmann::json Turn::place(std::int64_t epoch) const {
    nlohmann::json place = {{"epoch", before.epochs + epoch}};
    if (members > 0) place.update({{"member", member}, {"members", members}});
    if (!stage.empty()) place["stage"] = stage;
    return place;
}

void Standing::remember(double ndcg) {
    if (lately.size() == kLately) lately.erase(lately.begin());
    lately.push_back(ndcg);
}

bool Standing::no_longer_rises() const {
    if (lately.size() < kLately) return false;
    const auto half = lately.begin() + kLately / 2;
    return std::accumulate(half, lately.end(), 0.0) <= std::accumulate(lately.begin(), half, 0.0);
}

void to_json(nlohmann::json& state, const Standing& standing) {
    visit_standing(standing, [&](const char* name, const auto& value) { state[name] = value; });
}

void from_json(const nlohmann::json& state, Standing& standing) {
    visit_standing(standing, [&]<typename T>(const std::string& name, T& value) {
        if (name != "lately" || state.contains(name)) value = state_of<T>(state, name);
    });
}

bool is_past_best(const Standing& now, std::int64_t patience) {
    if (patience > 0) return now.without_gain >= patience;
    if (now.without_gain < (now.steps < kBeginning ? 3 : 1) || !now.no_longer_rises()) return false;
    const auto after = static_cast<double>(now.epoch - now.best_epoch);
    const double interval = after / static_cast<double>(now.without_gain);
    return after + interval > kShareAfterBest * (static_cast<double>(now.epoch) + interval);
}

Epochs::Epochs(const Run& run, EpochSettings settings, Learner& learner, Random random, Turn turn)
    : run_(run),
      data_(run.data),
      settings_(std::move(settings)),
      learner_(learner),
      random_(random),
      turn_(turn),
      checkpoint_(checkpoint_path(run, turn), run.data.job()),
      schedule_(settings_, run.data.builds_on_a_model() ? Schedule::kTrained : Schedule::kFresh),
      shuffles_(is_order_arbitrary(run.data)),
      validation_questions_(few_questions(run.data, HeldOut::Validation)),
      validation_interval_(validation_interval(learner.effort(validation_questions_))) {
    now_.planned_epochs = settings_.epochs;
    now_.validation_seconds = turn_.before.validation_seconds;
    learner_.look_at(part_);
    if (checkpoint_.exists()) resume();
}

void Epochs::run() {
    while (!now_.finished && !is_over()) {
        run_epoch();
        const bool last = is_over() || out_of_time();
        if (!last && schedule_.step() - now_.validated_step < validation_interval_) continue;
        validate();
        if (last || (is_past_best(now_, settings_.patience) && !cool_down())) break;
        if (checkpoint_.is_due()) save();
    }
    now_.finished = true;
    tell_of_time();
    if (turn_.of > 1 && checkpoint_.is_wanted()) save();
    if (validation_questions_.empty()) return;
    now_.best_ndcg = learner_.refine(
        now_.best_ndcg, [this](const Weights& weights) { return rank(weights)["ndcg@10"].get<double>(); });
}

/// The best epoch was the last, and the last was not chosen.
void Epochs::tell_of_time() const {
    const bool is_short = out_of_time() && now_.best_epoch > 0 && now_.best_epoch == now_.epoch;
    if (turn_.is_trial() || turn_.number + 1 < turn_.of || validation_questions_.empty() || !is_short) return;
    run_.reporter.warning("the ranking still improved when the time was over, in epoch " +
                          std::to_string(now_.epoch) + "; a larger max_seconds than " +
                          std::to_string(std::llround(settings_.max_seconds)) + " may give a better model");
}

void Epochs::run_epoch() {
    ++now_.epoch;
    const Sequences sequences(data_, part_, shuffles_ ? &random_ : nullptr);
    std::vector<Window> windows = cut_windows(sequences, settings_.max_len, random_);
    std::erase_if(windows,
                  [&](const Window& window) { return !is_drawn(window.user, 0, settings_.users_share); });
    const std::vector<std::size_t> ends = cut_steps(windows, settings_.batch);
    const std::span<const Window> all(windows);
    double total = 0;
    std::size_t done = 0;
    epoch_share_ = 0;
    for (std::size_t step = 0; step < ends.size(); ++step) {
        const double loss = run_step(sequences, all.subspan(done, ends[step] - done));
        done = ends[step];
        total += loss;
        now_.epoch_loss = total / static_cast<double>(step + 1);
        epoch_share_ = static_cast<double>(step + 1) / static_cast<double>(ends.size());
        report(loss);
        if (out_of_time()) return;
    }
}

/// One optimizer step; returns the loss.
double Epochs::run_step(const Sequences& sequences, std::span<const Window> windows) {
    const double begin = seconds();
    std::vector<Packed> shards =
        pack_shards(sequences, windows, settings_.shards, settings_.user_dropout, random_);
    const double done = part_ == Part::All ? 1 : share_done();
    const Outcome outcome =
        learner_.gradients({sequences, windows, shards, random_, now_.epoch, now_.steps, done});
    if (outcome.labels == 0) return now_.epoch_loss;  // nothing new, and of the old nothing was drawn
    if (!std::isfinite(outcome.loss))
        throw Error(sqlstate::kInternal, "training diverged: the loss is not a finite number",
                    "Lower learning_rate or raise temperature.");
    ++now_.steps;
    last_step_ = schedule_.next(learning_share());
    learner_.apply(last_step_, schedule_.step());
    now_.labels += outcome.labels;
    now_.flops += outcome.flops;
    now_.step_seconds += seconds() - begin;
    return outcome.loss;
}

/// Ranks the validation items and keeps the weights if they are the best so far.
void Epochs::validate() {
    const double begin = seconds();
    now_.validated_step = schedule_.step();
    learner_.average(last_step_, schedule_.step());
    const nlohmann::json metrics = rank(*learner_.candidate());
    now_.validation_seconds = seconds() - begin;
    const double ndcg = validation_questions_.empty() ? 0 : metrics["ndcg@10"].get<double>();
    const bool better = validation_questions_.empty() || ndcg > now_.best_ndcg;
    learner_.keep(better);
    if (better) {
        now_.best_ndcg = ndcg;
        now_.best_epoch = now_.epoch;
    }
    now_.without_gain = better ? 0 : now_.without_gain + 1;
    now_.remember(ndcg);
    report_validation(metrics);
}

nlohmann::json Epochs::rank(const Weights& weights) {
    const auto poll = [&](double share) {
        nlohmann::json told = turn_.place(now_.epoch);
        told.update({{"phase", "evaluating"}, {"evaluated", share}});
        run_.reporter.progress(std::move(told));
    };
    // Where repeats are kept they are ranked as they will be: else what stands first is what was clicked just now.
    const Shifts shifts = fit_shifts(data_, validation_questions_, weights, run_.workers, poll);
    return ranking_metrics(
        rank_held_out(data_, validation_questions_, HeldOut::Validation, weights, shifts, run_.workers, poll)
            .ranks);
}

/// Validation no longer improves: goes back to the best weights and plans the end so that the learning rate
/// falls from there. False when that was done already, or is not wanted.
bool Epochs::cool_down() {
    if (now_.cooling || settings_.patience == 0) return false;
    if (settings_.cool_down == 0 || settings_.cool_down == 1) return false;
    now_.cooling = true;
    now_.begun = now_.epoch - now_.best_epoch;
    const double planned = static_cast<double>(now_.best_epoch) / (1 - settings_.cool_down);
    now_.planned_epochs =
        std::min(settings_.epochs - now_.begun, static_cast<std::int64_t>(std::ceil(planned)));
    now_.without_gain = 0;
    now_.lately.clear();
    start_from_best();
    return !is_over();
}

void Epochs::start_from_best() {
    learner_.start_from_best();
    schedule_.restart();
    now_.validated_step = 0;
}

/// What is served then knows the held-out items, while the metrics stay those of the model that did not.
void Epochs::fit_all() {
    if (!settings_.refit || data_.questions(HeldOut::Test).empty()) return;
    part_ = Part::All;
    learner_.look_at(part_);
    learner_.begin_refit(random_);
    start_from_best();
    final_epochs_ =
        std::max<std::int64_t>(1, std::llround(kFinalShare * static_cast<double>(now_.best_epoch)));
    now_.begun = now_.epoch;
    begun_seconds_ = seconds();
    now_.planned_epochs = final_epochs_;
    for (std::int64_t i = 0; i < final_epochs_ && !out_of_time(); ++i) run_epoch();
    learner_.average(last_step_, schedule_.step());
    learner_.keep(true);
}

/// Of this turn, those before an interruption included.
double Epochs::seconds() const { return now_.seconds + seconds_since(start_); }

/// How much of the limit is used up, the time of what must follow included: validations and fit_all.
double Epochs::time_share() const {
    const double left = std::max(settings_.max_seconds - turn_.before.seconds, 1e-3);
    const double limit =
        turn_.share > 0 ? left * turn_.share : left / static_cast<double>(turn_.of - turn_.number);
    if (part_ == Part::All) return (seconds() - begun_seconds_) / std::max(limit - begun_seconds_, 1e-3);
    const auto all = static_cast<double>(data_.interactions());
    const auto trained = static_cast<double>(std::max<std::int64_t>(data_.training_interactions(), 1));
    const double fit = settings_.refit ? kFinalShare * all / trained : 0;
    const double validations = settings_.validations_to_come * now_.validation_seconds;
    return (now_.step_seconds * fit + seconds() + validations) / limit;
}

/// How much of the training is over: by epochs or by time, whichever ends it first. Time that is not short
/// does not count, so that the learning rates are the same each time.
double Epochs::share_done() const {
    const double epochs = static_cast<double>(now_.epoch - 1 - now_.begun) + epoch_share_;
    const double by_epochs = epochs / static_cast<double>(now_.planned_epochs), by_time = time_share();
    return std::min(1.0, by_time < kNegligible ? by_epochs : std::max(by_epochs, by_time));
}

/// Of the peak learning rate: all of it until the cool-down, then falling to nothing; in the final fit it falls from the
/// beginning.
double Epochs::learning_share() const {
    const double left = 1 - share_done();
    if (part_ == Part::All) return left;
    return left < settings_.cool_down ? left / settings_.cool_down : 1;
}

void Epochs::report(double loss) {
    // What is left may turn out to be more (cool_down, fit_all), but a bar does not go back.
    const double of_turns =
        turn_.share > 0 ? turn_.share * share_done()
                        : (static_cast<double>(turn_.number) + share_done()) / static_cast<double>(turn_.of);
    const double of_all = turn_.is_trial() ? turn_.shown * share_done() : (1 - turn_.begun) * of_turns;
    const double done = reported_ = std::max(reported_, turn_.begun + of_all);
    const double spent = turn_.before.seconds + seconds();
    nlohmann::json told = turn_.place(now_.epoch);
    told.update({{"phase", "training"},
                 {"percent", 100 * done},
                 {"step", schedule_.step()},
                 {"loss", loss},
                 {"labels_per_s", rate(static_cast<double>(now_.labels), now_.step_seconds)},
                 {"eta_seconds", rate(spent * (1 - done), done)}});
    run_.reporter.progress(std::move(told));
}

void Epochs::report_validation(const nlohmann::json& metrics) {
    if (turn_.is_trial()) return;  // the first epochs of what is kept have the same numbers
    nlohmann::json told = learner_.numbers();
    told.update(turn_.place(now_.epoch));
    told.update({{"step", schedule_.step()},
                 {"loss", now_.epoch_loss},
                 {"metrics", {{"hr@10", metrics["hr@10"]}, {"ndcg@10", metrics["ndcg@10"]}}},
                 {"seconds", turn_.before.seconds + seconds()}});
    run_.reporter.event("epoch", std::move(told));
}

Totals Epochs::totals() const {
    Totals sum = turn_.before;
    sum.best_epoch = sum.epochs + now_.best_epoch;
    sum.epochs += now_.epoch - final_epochs_;
    sum.final_fit_epochs += final_epochs_;
    sum.steps += now_.steps;
    sum.labels += now_.labels;
    sum.flops += now_.flops;
    sum.step_seconds += now_.step_seconds;
    sum.seconds += seconds();
    sum.validation_seconds = now_.validation_seconds;
    return sum;
}

nlohmann::json Totals::to_json() const {
    nlohmann::json metrics = {
        {"best_epoch", best_epoch}, {"final_fit_epochs", final_fit_epochs},
        {"epochs", epochs},         {"steps", steps},
        {"labels", labels},         {"labels_per_s", rate(static_cast<double>(labels), step_seconds)},
        {"train_seconds", seconds}};
    if (flops > 0) metrics["gflops"] = rate(flops, step_seconds) / 1e9;
    return metrics;
}

/// Every tensor that a checkpoint holds; those of the best weights only once there are any.
std::vector<NamedTensor> Epochs::tensors() {
    std::vector<NamedTensor> list = learner_.tensors();
    if (now_.best_epoch == 0) return list;
    for (const auto& [name, tensor] : learner_.best_tensors()) list.push_back({"best." + name, tensor});
    return list;
}

void Epochs::save() {
    Standing standing = now_;
    standing.seconds = seconds();
    standing.step = schedule_.step();
    standing.random = random_.state();
    checkpoint_.write(standing, settings_.options, tensors());
}

void Epochs::resume() {
    const std::optional<Checkpoint::Stored> stored = checkpoint_.read(settings_.options);
    if (!stored) return run_.reporter.warning("the checkpoint belongs to another job and is not used");
    now_ = stored->state.get<Standing>();
    random_ = Random(now_.random);
    schedule_.restart(now_.step);
    if (now_.best_epoch > 0) {  // room for them, of the same shapes
        learner_.average(last_step_, 0);
        learner_.keep(true);
    }
    for (const auto& [name, tensor] : tensors()) stored->read_into(name, tensor);
    run_.reporter.warning("went on after epoch " + std::to_string(now_.epoch) + ", where it was interrupted");
}

}  // namespace seqrec::trainer
