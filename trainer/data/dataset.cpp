#include "data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"

namespace seqrec::trainer {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

[[noreturn]] void corrupted(const std::string& what) {
    throw Error(sqlstate::kDataCorrupted, "dataset file is not valid: " + what,
                "Start the training again; the file is written anew.");
}

void check_offsets(std::span<const std::int64_t> offsets, std::size_t total) {
    if (offsets.empty() || offsets.front() != 0 || offsets.back() != static_cast<std::int64_t>(total))
        corrupted("user.offsets does not span all interactions");
    for (std::size_t u = 1; u < offsets.size(); ++u)
        if (offsets[u] < offsets[u - 1]) corrupted("user.offsets decreases");
}

}  // namespace

Dataset::Dataset(const std::string& path) : file_(SafetensorsFile::open(path)) {
    if (file_.meta("format") != "seqrec-dataset/1") corrupted("format is " + file_.meta("format"));
    if (file_.metadata().contains("job")) job_ = file_.meta("job");
    const auto offsets = file_.get<std::int64_t>("user.offsets", {-1});
    const auto items = file_.get<std::int32_t>("event.item", {-1});
    items_ = static_cast<std::int64_t>(file_.get<std::int64_t>("item.id.offsets", {-1}).size()) - 1;
    const auto times = file_.get<double>("event.time", {static_cast<std::int64_t>(items.size())});
    rows_ = static_cast<std::int64_t>(items.size());
    check_offsets(offsets, items.size());
    for (const std::int32_t item : items)
        if (item < 0 || item >= items_) corrupted("an item index is out of range");
    remove_repetitions(offsets, items, times);
    check();
}

void Dataset::remove_repetitions(std::span<const std::int64_t> offsets, std::span<const std::int32_t> items,
                                 std::span<const double> times) {
    std::vector<std::int64_t> seen_by(static_cast<std::size_t>(items_), -1);
    sequence_.reserve(items.size());
    offsets_.assign(1, 0);
    for (std::size_t u = 0; u + 1 < offsets.size(); ++u) {
        double last_new = kNever, new_before = kNever;
        for (std::int64_t i = offsets[u]; i < offsets[u + 1]; ++i) {
            std::int64_t& last = seen_by[static_cast<std::size_t>(items[i])];
            if (last == static_cast<std::int64_t>(u)) continue;
            last = static_cast<std::int64_t>(u);
            new_before = std::exchange(last_new, times[i]);
            sequence_.push_back(items[i]);
        }
        offsets_.push_back(static_cast<std::int64_t>(sequence_.size()));
        seen_until_.push_back(offsets[u] < offsets[u + 1] ? times[offsets[u + 1] - 1] : kNever);
        validation_time_.push_back(new_before);
        if (offsets_[u + 1] - offsets_[u] >= 3) evaluated_.push_back(static_cast<std::int32_t>(u));
    }
}

void Dataset::evaluate_only_after(const std::vector<double>& seen_until) {
    std::erase_if(evaluated_, [&](std::int32_t user) {
        return !(validation_time_[static_cast<std::size_t>(user)] >
                 seen_until[static_cast<std::size_t>(user)]);
    });
}

void Dataset::know_until(const std::vector<double>& seen_until) {
    const auto offsets = file_.get<std::int64_t>("user.offsets", {users() + 1});
    const auto items = file_.get<std::int32_t>("event.item", {-1});
    const auto times = file_.get<double>("event.time", {static_cast<std::int64_t>(items.size())});
    known_.assign(static_cast<std::size_t>(users()), 0);
    for (std::int64_t u = 0; u < users(); ++u) {
        const auto at = static_cast<std::size_t>(u);
        std::int32_t& known = known_[at];
        for (std::int64_t i = offsets[at]; i < offsets[at + 1] && times[i] <= seen_until[at]; ++i)
            if (known < static_cast<std::int64_t>(sequence(u).size()) && items[i] == sequence(u)[known])
                ++known;
    }
}

void Dataset::check() const {
    if (interactions() == 0)
        throw Error(sqlstate::kNotEnoughData, "there are no interactions to learn from",
                    "Check that the table has rows without NULL in the user, item and time columns.");
    if (items() < 2)
        throw Error(sqlstate::kNotEnoughData, "there are fewer than two items",
                    "A recommendation needs at least two different items; check the item column.");
    for (std::int64_t u = 0; u < users(); ++u)
        if (sequence(u).size() >= 2) return;
    throw Error(sqlstate::kNotEnoughData, "no user has interacted with two different items",
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

std::vector<float> Dataset::recent_counts() const {
    const auto rows = file_.get<std::int64_t>("user.offsets", {users() + 1});
    const auto items = file_.get<std::int32_t>("event.item", {rows_});
    const auto times = file_.get<double>("event.time", {rows_});
    const Decay decay(times);
    std::vector<double> counts(static_cast<std::size_t>(items_));
    for (std::int64_t u = 0; u < users(); ++u) {
        const auto distinct = sequence(u);
        std::size_t next = 0;  // the next item that has not been met
        for (std::int64_t i = rows[u]; i < rows[u + 1] && next < distinct.size(); ++i) {
            if (items[i] != distinct[next]) continue;
            counts[static_cast<std::size_t>(distinct[next++])] += decay(times[i]);
        }
    }
    return {counts.begin(), counts.end()};
}

std::vector<std::int32_t> Dataset::seen_items() const {
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
