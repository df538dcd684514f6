#include "measure/baselines.hpp"

#include <algorithm>
#include <numeric>

namespace seqrec::trainer {
namespace {

struct Successor {
    std::int32_t item, count;
};

/// Items by popularity: place[i] = how many items are more popular than i.
std::vector<std::int32_t> popularity_places(const Dataset& data) {
    const std::vector<std::int64_t> counts = data.counts(Part::Training);
    std::vector<std::int32_t> order(counts.size()), place(counts.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return counts[a] > counts[b]; });
    for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::int32_t>(i);
    return place;
}

/// What follows each item in the training part, with counts, as one list sorted by item: a sparse matrix.
struct Transitions {
    std::vector<std::int64_t> offsets;
    std::vector<Successor> successors;

    explicit Transitions(const Dataset& data) : offsets(static_cast<std::size_t>(data.items()) + 1) {
        std::vector<std::uint64_t> pairs;
        for (std::int64_t u = 0; u < data.users(); ++u) {
            const auto items = data.training(u);
            for (std::size_t i = 1; i < items.size(); ++i)
                pairs.push_back(static_cast<std::uint64_t>(items[i - 1]) << 32 |
                                static_cast<std::uint32_t>(items[i]));
        }
        std::sort(pairs.begin(), pairs.end());
        for (std::size_t i = 0, end; i < pairs.size(); i = end) {
            for (end = i; end < pairs.size() && pairs[end] == pairs[i];) ++end;
            successors.push_back(
                {static_cast<std::int32_t>(pairs[i] & 0xffffffff), static_cast<std::int32_t>(end - i)});
            ++offsets[(pairs[i] >> 32) + 1];
        }
        std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
    }
    std::span<const Successor> after(std::int32_t item) const {
        return {successors.data() + offsets[item],
                static_cast<std::size_t>(offsets[item + 1] - offsets[item])};
    }
};

/// The rank of `target` when successors come first, by count, and all others follow; `hidden(item)` tells of
/// the items that are not ranked.
template <typename Hidden>
std::int64_t markov_rank(std::span<const Successor> successors, std::int32_t target,
                         std::int64_t popularity_rank, const std::vector<std::int32_t>& place,
                         const Hidden& hidden) {
    std::int32_t own = 0;
    for (const Successor& s : successors)
        if (s.item == target) own = s.count;
    std::int64_t before = 0, successors_more_popular = 0;
    for (const Successor& s : successors) {
        if (s.item == target || hidden(s.item)) continue;
        const bool more_popular = place[s.item] < place[target];
        before += s.count > own || (s.count == own && more_popular);
        successors_more_popular += more_popular;
    }
    return own > 0 ? before : before + popularity_rank - successors_more_popular;
}

/// How often a user has had each item, and when last.
class Habits {
  public:
    explicit Habits(std::int64_t items) : habits_(static_cast<std::size_t>(items)) {}

    void learn(std::span<const std::int32_t> history) {
        for (const std::int32_t item : had_) habits_[static_cast<std::size_t>(item)] = {};
        had_.clear();
        for (std::size_t i = 0; i < history.size(); ++i) {
            Habit& habit = habits_[static_cast<std::size_t>(history[i])];
            if (habit.count++ == 0) had_.push_back(history[i]);
            habit.last = static_cast<std::int32_t>(i);
        }
    }
    /// The items had, each once.
    std::span<const std::int32_t> had() const { return had_; }
    bool has(std::int32_t item) const { return habits_[static_cast<std::size_t>(item)].count > 0; }
    /// Whether `a` is had more often than `b`, or as often and later.
    bool prefers(std::int32_t a, std::int32_t b) const {
        const Habit &x = habits_[static_cast<std::size_t>(a)], &y = habits_[static_cast<std::size_t>(b)];
        return x.count > y.count || (x.count == y.count && x.last > y.last);
    }

  private:
    struct Habit {
        std::int32_t count = 0, last = -1;
    };
    std::vector<Habit> habits_;
    std::vector<std::int32_t> had_;
};

/// The rank of `target` when the user's own items come first and all others follow by popularity.
std::int64_t personal_rank(const Habits& habits, std::int32_t target,
                           const std::vector<std::int32_t>& place) {
    std::int64_t preferred = 0, had_less_popular = 0;
    for (const std::int32_t item : habits.had()) {
        preferred += habits.prefers(item, target);
        had_less_popular += place[item] > place[target];
    }
    return habits.has(target) ? preferred : place[target] + had_less_popular;
}

}  // namespace

BaselineRanks rank_baselines(const Dataset& data, const std::vector<Question>& questions) {
    const std::vector<std::int32_t> place = popularity_places(data);
    const Transitions transitions(data);
    Habits habits(data.items());
    BaselineRanks ranks;
    for (const Question& question : questions) {
        const auto history = data.sequence(question.user).first(static_cast<std::size_t>(question.at));
        const std::int32_t target = data.sequence(question.user)[static_cast<std::size_t>(question.at)];
        habits.learn(history);
        const auto hidden = [&](std::int32_t item) { return !data.keeps_repeats() && habits.has(item); };
        std::int64_t popularity = place[target];
        for (const std::int32_t item : habits.had())
            popularity -= hidden(item) && place[item] < place[target];
        ranks.popularity.push_back(popularity);
        ranks.markov.push_back(
            markov_rank(transitions.after(history.back()), target, popularity, place, hidden));
        ranks.personal.push_back(data.keeps_repeats() ? personal_rank(habits, target, place) : popularity);
    }
    return ranks;
}

}  // namespace seqrec::trainer
