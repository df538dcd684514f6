#include "core/measure/event_log.hpp"

#include <algorithm>
#include <utility>

namespace seqrec {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kForever = std::numeric_limits<double>::infinity();
constexpr double kValidationFrom = 0.8, kTestFrom = 0.9;  // shares of the rows, by time

/// The time that a share of all rows is not later than.
double time_at(std::vector<double> times, double share) {
    if (times.empty()) return kNever;
    const auto place =
        times.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(times.size() - 1));
    std::nth_element(times.begin(), place, times.end());
    return *place;
}

/// The latest of the times that are earlier than `end`.
double last_before(std::span<const double> times, double end) {
    double last = kNever;
    for (const double time : times)
        if (time < end) last = std::max(last, time);
    return last;
}

/// A user of whom the last is asked for, and the two last teach nothing.
void leave_one_out(HeldOut& held, std::int32_t user, std::int32_t length) {
    held.training.push_back(length < 3 ? length : length - 2);
    if (length >= 3) held.questions.push_back({user, length - 1});
}

void split_by_time(HeldOut& held, std::int32_t user, std::span<const double> times, const Periods& periods) {
    const auto after = [&](double time) {
        return static_cast<std::int32_t>(std::ranges::upper_bound(times, time) - times.begin());
    };
    held.training.push_back(after(periods.validation_after));
    for (std::int32_t at = std::max(after(periods.test_after), 1); at < std::ssize(times); ++at)
        held.questions.push_back({user, at});
}

void ask_all(HeldOut& held, std::int32_t user, std::int32_t length) {
    held.training.push_back(0);
    for (std::int32_t at = 1; at < length; ++at) held.questions.push_back({user, at});
}

}  // namespace

EventLog::EventLog(const EventRules& rules, bool labelled) : rules_(rules), labelled_(labelled) {}

void EventLog::begin_user() {
    begins_.push_back(items_.size());
    last_item_ = -1;
}

bool EventLog::counts(std::int32_t item, double time) {
    if (const auto at = static_cast<std::size_t>(item); at >= met_by_.size())
        met_by_.resize(std::max(at + 1, 2 * met_by_.size()));
    std::int64_t& met_by = met_by_[static_cast<std::size_t>(item)];
    const bool met = std::exchange(met_by, users()) == users();
    const bool merged =
        rules_.merge_seconds && item == last_item_ && time - last_time_ <= *rules_.merge_seconds;
    last_item_ = item;
    last_time_ = time;
    return !met || (rules_.keeps_repeats && !merged);
}

void EventLog::add(std::int32_t item, double time, float label) {
    ++rows_;
    all_times_.push_back(time);
    if (!counts(item, time)) return;
    items_.push_back(item);
    times_.push_back(time);
    if (labelled_) labels_.push_back(label);
}

// A coarse clock puts many rows at one time: a period then begins at the time before, so that none is empty.
Periods periods_of(std::span<const double> times) {
    const std::vector<double> all(times.begin(), times.end());
    double test_after = time_at(all, kTestFrom);
    if (last_before(times, kForever) <= test_after) test_after = last_before(times, test_after);
    return {std::min(time_at(all, kValidationFrom), last_before(times, test_after)), test_after};
}

HeldOut hold_out(const EventLog& log, Split split) {
    HeldOut held;
    const Periods periods = split == Split::Time ? periods_of(log.all_times()) : Periods{};
    for (std::int32_t user = 0; user < log.users(); ++user) {
        const auto length = static_cast<std::int32_t>(log.items(user).size());
        if (split == Split::LeaveOneOut) leave_one_out(held, user, length);
        if (split == Split::Time) split_by_time(held, user, log.times(user), periods);
        if (split == Split::HeldOut) ask_all(held, user, length);
    }
    return held;
}

std::int64_t users_of(std::span<const Question> questions) {
    std::int64_t users = 0;
    for (std::size_t i = 0; i < questions.size(); ++i)
        users += i == 0 || questions[i].user != questions[i - 1].user;
    return users;
}

void thin_out_users(std::vector<Question>& questions, std::int64_t most) {
    const std::int64_t all = users_of(questions);
    if (most <= 0 || all <= most) return;
    std::int64_t place = -1;
    std::int32_t user = -1;
    std::erase_if(questions, [&](const Question& question) {
        place += question.user != user;
        user = question.user;
        // Of `all` places the `most` that i * all / most gives for i in [0, most).
        return (place * most + all - 1) / all * all / most != place;
    });
}

}  // namespace seqrec
