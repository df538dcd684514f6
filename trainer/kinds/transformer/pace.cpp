#include "kinds/transformer/pace.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "clock.hpp"
#include "kinds/transformer/transformer_learner.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

// Epochs in which a network comes near its best, of two layers and of more (docs/ablations.md).
constexpr double kEnough = 15, kEnoughOfDeep = 30;
constexpr double kOtherWork = 1.25;               // validations, and the final fit over everything
constexpr double kFewLabels = 50000;              // a pass over which is a matter of a second or two
constexpr std::int64_t kSample = 4096;            // items that are drawn where all are too many
constexpr std::int64_t kManyItems = 2 * kSample;  // else a sample saves nothing
constexpr double kTimedShare = 0.005;             // of the time that there is
constexpr int kSteps = 3;                         // that are timed at least

double labels_of_a_pass(const Dataset& data) {
    double labels = 0;
    for (std::int64_t u = 0; u < data.users(); ++u)
        labels += std::max<double>(0, static_cast<double>(data.training(u).size()) - 1);
    return labels;
}

double median(std::vector<double>& values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Of one network, after the first step; 0 where a pass has no second. The middle one of the steps: what disturbs some of
/// them says nothing of the hours to come.
double labels_per_second(const Run& run, const Settings& settings, Random random) {
    Member start{Transformer(settings, run.data.items(), random),
                 at::zeros({run.data.users(), settings.user_width()})};
    TransformerLearner learner(run.data, settings, {}, std::move(start), run.workers);
    learner.look_at(Part::Training);
    const EpochSettings course = settings.course();
    Schedule schedule(course);
    const Sequences sequences(run.data, Part::Training, nullptr);
    const std::vector<Window> windows = cut_windows(sequences, settings.max_len, random);
    std::size_t done = 0;
    std::int64_t step = 0;
    std::vector<double> rates;
    const Clock::time_point begin = Clock::now();
    Clock::time_point step_begin = begin;
    for (const std::size_t end : cut_steps(windows, settings.batch_tokens)) {
        const auto some = std::span(windows).subspan(done, end - done);
        done = end;
        std::vector<Packed> shards =
            pack_shards(sequences, some, course.shards, settings.user_dropout, random);
        const Outcome outcome = learner.gradients({sequences, some, shards, random, 1, step, 0});
        if (outcome.labels == 0) continue;  // all of them weigh nothing: the next step's time
        learner.apply(schedule.next(1), schedule.step());
        if (step++ > 0)
            rates.push_back(static_cast<double>(outcome.labels) / std::max(seconds_since(step_begin), 1e-9));
        step_begin = Clock::now();
        if (step > kSteps && seconds_since(begin) > kTimedShare * settings.max_seconds) break;
    }
    return median(rates);
}

}  // namespace

double Speed::networks_in(double seconds) const {
    return seconds * labels_per_second / (epochs * kOtherWork * labels);
}

std::int64_t members_that_fit(std::int64_t wanted, const Speed& speed, double seconds) {
    return static_cast<std::int64_t>(
        std::clamp(speed.networks_in(seconds), 1.0, static_cast<double>(wanted)));
}

Pace::Pace(const Run& run, Settings& settings, const Open& open, const Random& random, Turn& turn)
    : run_(run), settings_(settings), open_(open) {
    if (run.data.builds_on_a_model() || labels_of_a_pass(run.data) < kFewLabels) return;
    const Clock::time_point begin = Clock::now();
    speed_ = timed(settings, random);
    if (speed_.labels_per_second == 0) return;
    told_["labels_per_s"] = std::lround(speed_.labels_per_second);
    const bool may_draw = open.sampled_items && (open.students || settings.students == 0);
    const bool can_draw = may_draw && settings.sampled_items == 0 && run.data.items() >= kManyItems;
    if (can_draw) choose_sample(random, left(turn));
    told_["sampled_items"] = settings.sampled_items;
    turn.before.seconds += seconds_since(begin);
}

Speed Pace::timed(const Settings& settings, const Random& random) const {
    const double enough = settings.layers > 2 ? kEnoughOfDeep : kEnough;
    return {labels_per_second(run_, settings, random), labels_of_a_pass(run_.data),
            std::min(enough, static_cast<double>(settings.epochs))};
}

void Pace::choose_sample(const Random& random, double seconds) {
    const auto members = [&](const Speed& speed) {
        return members_that_fit(settings_.members, speed, seconds);
    };
    if (speed_.networks_in(seconds) >= static_cast<double>(settings_.members)) return;
    Settings drawing = settings_;
    drawing.sampled_items = kSample;
    const Speed drawn = timed(drawing, random);
    told_["sampled_labels_per_s"] = std::lround(drawn.labels_per_second);
    const bool starved =
        speed_.networks_in(seconds) < 1 && drawn.labels_per_second > speed_.labels_per_second;
    if (members(drawn) <= members(speed_) && !starved) return;
    settings_.sampled_items = kSample;
    speed_ = drawn;
}

double Pace::left(const Turn& turn) const {
    return std::max(settings_.max_seconds - turn.before.seconds, 1.0);
}

double Pace::labels_in(double seconds) const {
    return speed_.labels_per_second > 0 ? seconds * speed_.labels_per_second
                                        : std::numeric_limits<double>::infinity();
}

void Pace::settle_networks(const Turn& turn) {
    if (open_.students && settings_.students > 0 && !can_teach()) settings_.students = 0;
    if (told_.empty()) return serve_one();
    const std::int64_t members = settings_.members, wanted = members + settings_.students;
    const double networks = speed_.networks_in(left(turn));
    const std::int64_t fit = members_that_fit(wanted, speed_, left(turn));
    if (open_.students && fit < wanted) settings_.students = 0;
    if (open_.members)
        settings_.members = std::clamp<std::int64_t>(fit - settings_.students,
                                                     std::min(settings_.students + 1, members), members);
    serve_one();
    const std::int64_t trained = settings_.members + settings_.students;
    told_["members"] = settings_.members;
    told_["members_wanted"] = members;
    told_["students"] = settings_.students;
    told_["epochs_each"] = std::lround(speed_.epochs * networks / static_cast<double>(trained));
    if (trained == wanted) return;
    const double needed =
        settings_.max_seconds - left(turn) + left(turn) * static_cast<double>(wanted) / networks;
    run_.reporter.warning(
        std::to_string(std::min(fit, trained)) + " of " + std::to_string(wanted) +
        " networks can be trained well in the " + std::to_string(std::lround(settings_.max_seconds)) +
        " s there are; a max_seconds of " + std::to_string(std::lround(std::ceil(needed / 10) * 10)) +
        " would do for all of them here, or say members yourself");
}

/// Where one is to answer and nobody learns from several, several are of no use.
void Pace::serve_one() {
    if (settings_.serves_one && settings_.students == 0) settings_.members = 1;
}

/// Nobody learns from a sample of the items, or from what is said of places whose order is drawn anew each time; and where nothing
/// is asked nobody knows whether it was learned.
bool Pace::can_teach() const {
    return settings_.sampled_items == 0 && !run_.data.questions(HeldOut::Validation).empty() &&
           !is_order_arbitrary(run_.data);
}

json Pace::metrics() const { return told_.empty() ? json::object() : json{{"pace", told_}}; }

}  // namespace seqrec::trainer
