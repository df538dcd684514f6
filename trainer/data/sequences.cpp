#include "data/sequences.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

namespace seqrec::trainer {
namespace {

constexpr double kFewTies = 0.1;  // share of the interactions below which their order does not matter

/// How many pairs of equal ones there are among the pairs of items that follow one another at one time.
double repeated_pairs(const Dataset& data, const Sequences& sequences) {
    std::unordered_map<std::uint64_t, double> met;
    double repeated = 0;
    for (std::int64_t u = 0; u < data.users(); ++u) {
        const auto items = sequences.of(u);
        for (std::size_t i = 1; i < items.size(); ++i)
            if (data.same_time(u, i))
                repeated += met[static_cast<std::uint64_t>(items[i - 1]) << 32 |
                                static_cast<std::uint32_t>(items[i])]++;
    }
    return repeated;
}

double share_of_ties(const Dataset& data) {
    std::int64_t ties = 0;
    for (std::int64_t u = 0; u < data.users(); ++u)
        for (std::size_t i = 1; i < data.sequence(u).size(); ++i) ties += data.same_time(u, i);
    return static_cast<double>(ties) / static_cast<double>(std::max<std::int64_t>(data.interactions(), 1));
}

}  // namespace

bool is_order_arbitrary(const Dataset& data) {
    if (share_of_ties(data) < kFewTies) return false;
    Random random(1);
    const double drawn = repeated_pairs(data, Sequences(data, Part::All, &random));
    const double given = repeated_pairs(data, Sequences(data, Part::All, nullptr));
    return given <= 1.05 * drawn + 3 * std::sqrt(drawn + 1);  // three deviations of what chance gives
}

Sequences::Sequences(const Dataset& data, Part part, Random* random) {
    items_.reserve(data.items_of_sequences().size());
    places_.reserve(data.items_of_sequences().size());
    std::vector<std::size_t> places;
    for (std::int64_t u = 0; u < data.users(); ++u) {
        const auto items = data.part(u, part);
        places.clear();
        for (std::size_t i = 0; i < items.size(); ++i)
            if (part == Part::All || !data.is_held_out(items[i])) places.push_back(i);
        for (const std::size_t place : places) items_.push_back(items[place]);
        const std::int64_t begin = data.offsets()[static_cast<std::size_t>(u)];
        for (const std::size_t place : places) places_.push_back(begin + static_cast<std::int64_t>(place));
        if (random) draw_order(data, u, places, *random);
        if (data.builds_on_a_model()) known_.push_back(static_cast<std::int32_t>(data.known(u)));
        offsets_.push_back(static_cast<std::int64_t>(items_.size()));
    }
}

/// Shuffles each run of one time among the last user's items, which were at these places of the sequence.
void Sequences::draw_order(const Dataset& data, std::int64_t user, const std::vector<std::size_t>& places,
                           Random& random) {
    const auto first = items_.end() - static_cast<std::ptrdiff_t>(places.size());
    const auto first_place = places_.end() - static_cast<std::ptrdiff_t>(places.size());
    const auto later = [&](std::size_t i) {  // whether place i is later than the one before
        for (std::size_t at = places[i - 1] + 1; at <= places[i]; ++at)
            if (!data.same_time(user, at)) return true;
        return false;
    };
    for (std::size_t begin = 0, i = 1; i <= places.size(); ++i) {
        if (i < places.size() && !later(i)) continue;
        for (std::size_t left = i - begin; left > 1; --left) {
            const auto a = static_cast<std::ptrdiff_t>(begin + left - 1),
                       b = static_cast<std::ptrdiff_t>(begin + random.below(left));
            std::swap(first[a], first[b]);
            std::swap(first_place[a], first_place[b]);
        }
        begin = i;
    }
}

std::vector<std::int64_t> Sequences::counts(std::int64_t items) const {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(items));
    for (const std::int32_t item : items_) ++counts[static_cast<std::size_t>(item)];
    return counts;
}

std::vector<float> proportions(const std::vector<std::int64_t>& counts) {
    const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
    std::vector<float> shares;
    for (const std::int64_t count : counts)
        shares.push_back(static_cast<float>(static_cast<double>(count) / std::max(1.0, total)));
    return shares;
}

}  // namespace seqrec::trainer
