#include "data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.hpp"
#include "core/measure/drawn_users.hpp"
#include "data/dataset_error.hpp"
#include "data/features.hpp"
#include "random.hpp"

namespace seqrec::trainer {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kForever = std::numeric_limits<double>::infinity();

constexpr double kManyRepeats = 0.05;
constexpr double kValidationFrom = 0.8, kTestFrom = 0.9;  // shares of the events, by time

/// The time that a share of all events is not later than.
double time_at(std::span<const double> times, double share) {
    if (times.empty()) return kNever;
    std::vector<double> all(times.begin(), times.end());
    const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(all.size() - 1));
    std::nth_element(all.begin(), all.begin() + place, all.end());
    return all[static_cast<std::size_t>(place)];
}

/// Without them nothing is later than anything.
bool has_two_times(std::span<const double> times) {
    return std::ranges::any_of(times, [&](double time) { return time != times.front(); });
}

/// The latest of the times that are earlier than `end`. Where a coarse clock puts many events at one time, a period
/// begins at the one before, so that neither of the two is empty.
double last_before(std::span<const double> times, double end) {
    double last = kNever;
    for (const double time : times)
        if (time < end) last = std::max(last, time);
    return last;
}

}  // namespace

namespace {

constexpr std::pair<const char*, Split> kSplits[] = {
    {"leave_one_out", Split::LeaveOneOut}, {"time", Split::Time}, {"random", Split::Random}};

Split split_of(const std::string& name) {
    for (const auto& [known, split] : kSplits)
        if (name == known) return split;
    throw Error(sqlstate::kInvalidParameter, "unknown split \"" + name + "\"");
}

const char* name_of(Split split) { return kSplits[static_cast<std::size_t>(split)].first; }

}  // namespace

DatasetOptions::DatasetOptions(const nlohmann::json& options)
    : repeats(options.at("repeats")), split(split_of(options.at("split"))), seed(options.at("seed")) {
    if (const auto& seconds = options.at("merge_seconds"); !seconds.is_null()) merge_seconds = seconds;
    holdout_share = options.at("holdout_share");
    cold_share = options.value("cold_share", 0.0);
}

std::size_t users_of(const std::vector<Question>& questions) {
    std::size_t users = 0;
    for (std::size_t i = 0; i < questions.size(); ++i)
        users += i == 0 || questions[i].user != questions[i - 1].user;
    return users;
}

/// The events of the file that count, user after user.
class Dataset::Events {
  public:
    Events(const SafetensorsFile& file, std::int64_t items, std::optional<double> merge_seconds, bool keep)
        : rows_(file.get<std::int64_t>("user.offsets", {-1})),
          items_(file.get<std::int32_t>("event.item", {-1})),
          times_(file.get<double>("event.time", {static_cast<std::int64_t>(items_.size())})),
          met_by_(static_cast<std::size_t>(items), -1),
          merge_seconds_(merge_seconds),
          keep_(keep) {}

    std::int64_t users() const { return static_cast<std::int64_t>(rows_.size()) - 1; }
    std::int32_t item(std::int64_t event) const { return items_[static_cast<std::size_t>(event)]; }
    double time(std::int64_t event) const { return times_[static_cast<std::size_t>(event)]; }
    std::span<const double> times() const { return times_; }
    double latest(std::int64_t user) const {
        const auto u = static_cast<std::size_t>(user);
        return rows_[u] < rows_[u + 1] ? time(rows_[u + 1] - 1) : kNever;
    }

    /// visit(event, whether the user has had its item before), oldest first. Every user once.
    template <typename Visit>
    void of(std::int64_t user, const Visit& visit) {
        const auto u = static_cast<std::size_t>(user);
        for (std::int64_t i = rows_[u]; i < rows_[u + 1]; ++i) {
            const bool met = std::exchange(met_by_[static_cast<std::size_t>(item(i))], user) == user;
            if (met && (!keep_ || (i > rows_[u] && is_merged(i)))) continue;
            visit(i, met);
        }
    }

  private:
    /// A double click: the event before is of the same item and hardly older.
    bool is_merged(std::int64_t event) const {
        return merge_seconds_ && item(event) == item(event - 1) &&
               time(event) - time(event - 1) <= *merge_seconds_;
    }

    std::span<const std::int64_t> rows_;
    std::span<const std::int32_t> items_;
    std::span<const double> times_;
    std::vector<std::int64_t> met_by_;
    std::optional<double> merge_seconds_;
    bool keep_;
};

Dataset::Dataset(const std::string& path, const DatasetOptions& options)
    : file_(SafetensorsFile::open(path)), options_(options) {
    if (file_.meta("format") != "seqrec-dataset/1") corrupted_dataset("format is " + file_.meta("format"));
    if (file_.metadata().contains("job")) job_ = file_.meta("job");
    const auto offsets = file_.get<std::int64_t>("user.offsets", {-1});
    const auto items = file_.get<std::int32_t>("event.item", {-1});
    items_ = static_cast<std::int64_t>(file_.get<std::int64_t>("item.id.offsets", {-1}).size()) - 1;
    rows_ = static_cast<std::int64_t>(items.size());
    const auto times = file_.get<double>("event.time", {rows_});
    check_offsets(offsets, items.size(), "user");
    for (const std::int32_t item : items)
        if (item < 0 || item >= items_) corrupted_dataset("an item index is out of range");
    if (options_.asks_by_weight) weights_ = read_weights(file_, rows_);
    if (options_.split == Split::Time && !has_two_times(times)) options_.split = Split::Random;
    if (options_.split == Split::Time) choose_periods(times);
    choose_repeats(events());
    read(events());
    if (options_.cold_share > 0) hold_items_out();
    check();
}

Dataset::Events Dataset::events() const { return {file_, items_, options_.merge_seconds, keep_}; }

void Dataset::choose_periods(std::span<const double> times) {
    test_after_ = time_at(times, kTestFrom);
    if (last_before(times, kForever) <= test_after_) test_after_ = last_before(times, test_after_);
    validation_after_ = std::min(time_at(times, kValidationFrom), last_before(times, test_after_));
}

/// Counts the repeats among what a test would ask with all of them kept.
void Dataset::choose_repeats(Events events) {
    std::int64_t asked = 0, repeats = 0;
    for (std::int64_t u = 0; u < events.users(); ++u) {
        std::int64_t length = 0;
        bool repeated = false;
        events.of(u, [&](std::int64_t event, bool met) {
            repeated = met;
            if (length++ == 0 || !split_by_time() || events.time(event) <= test_after_) return;
            ++asked;
            repeats += met;
        });
        if (split_by_time() || length < 3) continue;
        ++asked;
        repeats += repeated;
    }
    if (asked > 0) repeat_share_ = static_cast<double>(repeats) / static_cast<double>(asked);
    keep_ = options_.repeats == "keep" ||
            (options_.repeats == "auto" && repeat_share_.value_or(0) > kManyRepeats);
}

void Dataset::read(Events events) {
    sequence_.reserve(static_cast<std::size_t>(rows_));
    offsets_.assign(1, 0);
    std::vector<double> times;
    std::vector<std::int64_t> rows;
    for (std::int64_t u = 0; u < events.users(); ++u) {
        times.clear();
        rows_of(events, u, &rows);
        for (const std::int64_t row : rows) {
            sequence_.push_back(events.item(row));
            same_time_.push_back(!times.empty() && times.back() == events.time(row));
            times.push_back(events.time(row));
        }
        offsets_.push_back(interactions());
        seen_until_.push_back(events.latest(u));
        first_asked_.push_back(kNever);
        training_.push_back(static_cast<std::int32_t>(times.size()));
        if (options_.split == Split::Random)
            ask_by_chance(static_cast<std::int32_t>(u), rows);
        else
            ask_about(static_cast<std::int32_t>(u), times, rows);
    }
}

/// The rows of a user in the order of the sequence: by time, and split by chance those held out last.
void Dataset::rows_of(Events& events, std::int64_t user, std::vector<std::int64_t>* rows) const {
    rows->clear();
    events.of(user, [&](std::int64_t row, bool) { rows->push_back(row); });
    if (options_.split == Split::Random)
        std::ranges::stable_sort(*rows, {}, [&](std::int64_t row) { return part_by_chance(row); });
}

/// 0 of eight in ten rows, the training part; 1 and 2 of one in ten each, validation and test.
int Dataset::part_by_chance(std::int64_t row) const {
    const auto tenth =
        Random(options_.seed ^ static_cast<std::uint64_t>(row) * 0x9E3779B97F4A7C15ULL).below(10);
    return tenth < 8 ? 0 : static_cast<int>(tenth) - 7;
}

void Dataset::ask_by_chance(std::int32_t user, const std::vector<std::int64_t>& rows) {
    const auto before = [&](int part) {
        return static_cast<std::int32_t>(
            std::ranges::count_if(rows, [&](std::int64_t row) { return part_by_chance(row) < part; }));
    };
    training_.back() = before(1);
    const std::int32_t tested = before(2), length = before(3);
    for (std::int32_t at = std::max(training_.back(), 1); at < length; ++at)
        (at < tested ? validation_ : test_).push_back({user, at});
    tested_from_.push_back(tested);
    if (training_.back() < length) first_asked_.back() = seen_until_.back();
}

std::vector<std::int64_t> Dataset::rows_of_sequences() const {
    std::vector<std::int64_t> rows, own;
    rows.reserve(sequence_.size());
    Events all = events();
    for (std::int64_t u = 0; u < users(); ++u) {
        rows_of(all, u, &own);
        rows.insert(rows.end(), own.begin(), own.end());
    }
    return rows;
}

bool Dataset::is_asked(std::int64_t row) const {
    return weights_.empty() || weights_[static_cast<std::size_t>(row)] > 0;
}

/// Decides what of a user is held out; `times` and `rows` are those of the sequence.
void Dataset::ask_about(std::int32_t user, std::span<const double> times,
                        std::span<const std::int64_t> rows) {
    const auto length = static_cast<std::int32_t>(times.size());
    std::int32_t& training = training_.back();
    tested_from_.push_back(length);
    if (!split_by_time()) {
        std::vector<std::int32_t> asked;  // the latest last
        for (std::int32_t at = 0; at < length; ++at)
            if (is_asked(rows[static_cast<std::size_t>(at)])) asked.push_back(at);
        if (asked.size() < 3 || !is_drawn(user, options_.seed, options_.holdout_share)) return;
        training = asked[asked.size() - 2];
        tested_from_.back() = asked.back();
        validation_.push_back({user, training});
        test_.push_back({user, tested_from_.back()});
        first_asked_.back() = times[static_cast<std::size_t>(training)];
        return;
    }
    const auto until = [&](double time) {
        return static_cast<std::int32_t>(std::ranges::upper_bound(times, time) - times.begin());
    };
    training = until(validation_after_);
    tested_from_.back() = until(test_after_);
    for (std::int32_t at = std::max(training, 1); at < length; ++at)
        if (is_asked(rows[static_cast<std::size_t>(at)]))
            (times[static_cast<std::size_t>(at)] > test_after_ ? test_ : validation_).push_back({user, at});
    if (std::max(training, 1) < length)
        first_asked_.back() = times[static_cast<std::size_t>(std::max(training, 1))];
}

namespace {

/// Of which items a file tells more than who had them.
std::vector<bool> items_with_content(const SafetensorsFile& file, std::int64_t items) {
    std::vector<bool> with(static_cast<std::size_t>(items));
    if (file.contains("item.text.offsets")) {
        const auto ends = file.get<std::int64_t>("item.text.offsets", {items + 1});
        for (std::size_t i = 0; i < with.size(); ++i) with[i] = ends[i + 1] > ends[i];
    }
    if (file.contains("item.vector")) {
        const auto vectors = file.get<float>("item.vector", {items, -1});
        const std::size_t width = with.empty() ? 0 : vectors.size() / with.size();
        for (std::size_t i = 0; i < with.size() && width > 0; ++i)
            with[i] = with[i] || !std::isnan(vectors[i * width]);
    }
    return with;
}

}  // namespace

/// Draws the items; what is asked about them is asked apart, and of nobody who would have nothing left.
void Dataset::hold_items_out() {
    const std::vector<bool> with = items_with_content(file_, items_);
    std::vector<std::int32_t> candidates;
    const std::vector<std::int64_t> counts = this->counts(Part::Training);
    for (std::int32_t i = 0; i < items_; ++i)
        if (with[static_cast<std::size_t>(i)] && counts[static_cast<std::size_t>(i)] > 0)
            candidates.push_back(i);
    Random(options_.seed ^ 0xC01D).shuffle(candidates);
    candidates.resize(static_cast<std::size_t>(options_.cold_share * static_cast<double>(candidates.size())));
    if (candidates.empty()) return;
    held_out_items_.assign(static_cast<std::size_t>(items_), false);
    for (const std::int32_t item : candidates) held_out_items_[static_cast<std::size_t>(item)] = true;
    const auto is_cold = [&](const Question& question) {
        return is_held_out(sequence(question.user)[static_cast<std::size_t>(question.at)]);
    };
    for (auto [all, cold] : {std::pair{&validation_, &cold_validation_}, std::pair{&test_, &cold_test_}}) {
        std::ranges::copy_if(*all, std::back_inserter(*cold), is_cold);
        std::erase_if(*all, is_cold);
    }
}

std::vector<std::int32_t> Dataset::held_out_items() const {
    std::vector<std::int32_t> items;
    for (std::int32_t i = 0; i < items_; ++i)
        if (is_held_out(i)) items.push_back(i);
    return items;
}

nlohmann::json Dataset::config() const {
    return {{"repeats", keep_ ? "keep" : "first"},
            {"merge_seconds",
             options_.merge_seconds ? nlohmann::json(*options_.merge_seconds) : nlohmann::json()},
            {"split", name_of(options_.split)},
            {"holdout_share", options_.holdout_share}};
}

std::int64_t Dataset::training_interactions() const {
    return std::accumulate(training_.begin(), training_.end(), std::int64_t{0});
}

void Dataset::evaluate_only_after(const std::vector<double>& seen_until) {
    const auto is_told = [&](const Question& question) {
        const auto user = static_cast<std::size_t>(question.user);
        return !(first_asked_[user] > seen_until[user]);
    };
    std::erase_if(validation_, is_told);
    std::erase_if(test_, is_told);
}

void Dataset::know_until(const std::vector<double>& seen_until) { known_ = known_until(seen_until); }

std::vector<std::int32_t> Dataset::known_until(const std::vector<double>& seen_until) const {
    std::vector<std::int32_t> known(static_cast<std::size_t>(users()), 0);
    Events all = events();
    for (std::int64_t u = 0; u < users(); ++u)
        all.of(u, [&](std::int64_t event, bool) {
            const auto at = static_cast<std::size_t>(u);
            known[at] += all.time(event) <= seen_until[at];
        });
    return known;
}

void Dataset::check() const {
    if (interactions() == 0)
        throw Error(sqlstate::kNotEnoughData, "there are no interactions to learn from",
                    "Check that the table has rows without NULL in the user, item and time columns.");
    if (items() < 2)
        throw Error(sqlstate::kNotEnoughData, "there are fewer than two items",
                    "A recommendation needs at least two different items; check the item column.");
    if (!options_.sequences) return;
    for (std::int64_t u = 0; u < users(); ++u)
        if (part(u, split_by_time() ? Part::Training : Part::All).size() >= 2) return;
    if (split_by_time())
        throw Error(sqlstate::kNotEnoughData,
                    "no user has interacted with two items before the time of validation and test",
                    "Check the time column, or leave split at leave_one_out.");
    throw Error(sqlstate::kNotEnoughData,
                keep_ ? "no user has interacted twice" : "no user has interacted with two different items",
                "A sequence model learns which item follows another; check the user column.");
}

std::vector<std::int64_t> Dataset::counts(Part which) const {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(items_));
    for (std::int64_t u = 0; u < users(); ++u)
        for (const std::int32_t item : part(u, which)) ++counts[static_cast<std::size_t>(item)];
    return counts;
}

namespace {

/// Halves every ninth of the time between the first and the last twentieth of the events: a few wrong clocks
/// do not matter.
class Decay {
  public:
    explicit Decay(std::span<const double> times) {
        std::vector<double> some;
        const std::size_t step = times.size() / 100000 + 1;
        for (std::size_t i = 0; i < times.size(); i += step) some.push_back(times[i]);
        std::sort(some.begin(), some.end());
        latest_ = some[(some.size() - 1) * 19 / 20];
        half_life_ = (latest_ - some[some.size() / 20]) / 9;
    }

    double operator()(double time) const {
        if (!(half_life_ > 0)) return 1;
        return std::exp2(std::clamp((time - latest_) / half_life_, -60.0, 1.0));
    }

  private:
    double latest_, half_life_;
};

}  // namespace

std::vector<float> Dataset::recent_counts(Part which) const {
    Events all = events();
    const Decay decay(all.times());
    std::vector<double> counts(static_cast<std::size_t>(items_));
    std::vector<std::int64_t> rows;
    for (std::int64_t u = 0; u < users(); ++u) {
        rows_of(all, u, &rows);
        for (std::size_t i = 0; i < part(u, which).size(); ++i)
            counts[static_cast<std::size_t>(all.item(rows[i]))] += decay(all.time(rows[i]));
    }
    return {counts.begin(), counts.end()};
}

/// The items of sequence(), each user's by time whatever is held out.
std::vector<std::int32_t> Dataset::items_by_time() const {
    std::vector<std::int32_t> items;
    items.reserve(sequence_.size());
    Events all = events();
    for (std::int64_t u = 0; u < users(); ++u)
        all.of(u, [&](std::int64_t event, bool) { items.push_back(all.item(event)); });
    return items;
}

std::vector<std::int32_t> Dataset::seen_items() const {
    if (keep_ && options_.split != Split::Random) return sequence_;
    if (keep_) return items_by_time();
    const auto rows = file_.get<std::int64_t>("user.offsets", {users() + 1});
    const auto items = file_.get<std::int32_t>("event.item", {rows_});
    std::vector<std::int32_t> seen(sequence_.size());
    std::vector<std::int32_t> seen_by(static_cast<std::size_t>(items_), -1);
    for (std::size_t u = 0; u + 1 < rows.size(); ++u) {
        auto free = static_cast<std::size_t>(offsets_[u + 1]);  // as many items as sequence(u) has
        for (std::int64_t i = rows[u + 1]; i-- > rows[u];) {
            const std::int32_t item = items[static_cast<std::size_t>(i)];
            std::int32_t& last = seen_by[static_cast<std::size_t>(item)];
            if (last == static_cast<std::int32_t>(u)) continue;
            last = static_cast<std::int32_t>(u);
            seen[--free] = item;
        }
    }
    return seen;
}

}  // namespace seqrec::trainer
