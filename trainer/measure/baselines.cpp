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

/// The rank of `target` when successors come first, by count, and all others follow; `seen[i] == user` marks
/// the items that are not ranked.
std::int64_t markov_rank(std::span<const Successor> successors, std::int32_t target,
                         std::int64_t popularity_rank, const std::vector<std::int32_t>& place,
                         const std::vector<std::int32_t>& seen, std::int32_t user) {
    std::int32_t own = 0;
    for (const Successor& s : successors)
        if (s.item == target) own = s.count;
    std::int64_t before = 0, successors_more_popular = 0;
    for (const Successor& s : successors) {
        if (seen[s.item] == user || s.item == target) continue;
        const bool more_popular = place[s.item] < place[target];
        before += s.count > own || (s.count == own && more_popular);
        successors_more_popular += more_popular;
    }
    return own > 0 ? before : before + popularity_rank - successors_more_popular;
}

}  // namespace

BaselineRanks rank_baselines(const Dataset& data, const std::vector<std::int32_t>& users) {
    const std::vector<std::int32_t> place = popularity_places(data);
    const Transitions transitions(data);
    std::vector<std::int32_t> seen(place.size(), -1);
    BaselineRanks ranks;
    for (const std::int32_t user : users) {
        const auto all = data.sequence(user);
        const std::int32_t target = all.back();
        std::int64_t popularity = place[target];
        for (const std::int32_t item : all.first(all.size() - 1)) {
            popularity -= place[item] < place[target];
            seen[item] = user;
        }
        ranks.popularity.push_back(popularity);
        ranks.markov.push_back(
            markov_rank(transitions.after(all[all.size() - 2]), target, popularity, place, seen, user));
    }
    return ranks;
}

}  // namespace seqrec::trainer
