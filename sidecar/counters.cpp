#include "counters.hpp"

#include <algorithm>

namespace seqrec::sidecar {

RouteCounts& Counters::counts_of(const Route* route) {
    const auto known = std::ranges::find(requests_, route, &RouteCounts::route);
    if (known != requests_.end()) return *known;
    requests_.emplace_back().route = route;
    return requests_.back();
}

void Counters::record_request(const Route* route, unsigned status, std::chrono::duration<double> took) {
    auto& counts = counts_of(route);
    const auto known =
        std::ranges::find(counts.by_status, status, &std::pair<unsigned, std::uint64_t>::first);
    if (known != counts.by_status.end())
        ++known->second;
    else
        counts.by_status.emplace_back(status, 1);
    auto& seconds = counts.seconds_by_class[std::min<std::size_t>(status / 100, 5)];
    if (!seconds) seconds.emplace(kSecondsBounds);
    seconds->record(took.count());
}

}  // namespace seqrec::sidecar
