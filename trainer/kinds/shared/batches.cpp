#include "kinds/shared/batches.hpp"

#include <algorithm>

namespace seqrec::trainer {

void Packed::append(std::span<const std::int32_t> sequence, std::int32_t user, std::int32_t begin) {
    items.insert(items.end(), sequence.begin(), sequence.end());
    offsets.push_back(static_cast<std::int64_t>(items.size()));
    users.push_back(user);
    begins.push_back(begin);
}

std::vector<Window> cut_windows(const Sequences& data, std::int64_t max_len, Random& random) {
    std::vector<Window> windows;
    const auto limit = static_cast<std::int32_t>(max_len);
    for (std::int64_t u = 0; u < data.users(); ++u) {
        const auto inputs = static_cast<std::int32_t>(data.of(u).size()) - 1;
        if (inputs < 1) continue;
        std::int32_t begin = 0;
        std::int32_t end = inputs;
        if (inputs > limit)
            end = 1 + static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(limit)));
        while (begin < inputs) {
            if (end >= data.known(u) || random.uniform() < kOldShare)
                windows.push_back({static_cast<std::int32_t>(u), begin, end});
            begin = end;
            end = std::min(inputs, begin + limit);
        }
    }
    random.shuffle(windows);
    return windows;
}

std::vector<std::size_t> cut_steps(const std::vector<Window>& windows, std::int64_t batch_tokens) {
    std::vector<std::size_t> ends;
    std::int64_t tokens = 0;
    for (std::size_t w = 0; w < windows.size(); ++w) {
        const std::int64_t length = windows[w].end - windows[w].begin;
        if (tokens > 0 && tokens + length > batch_tokens) {
            ends.push_back(w);
            tokens = 0;
        }
        tokens += length;
    }
    if (tokens > 0) ends.push_back(windows.size());
    return ends;
}

namespace {

/// The labels of a window that was just appended: those not known before, and a share of the others; all of a window in
/// which nothing is new, which was drawn whole.
void keep_labels(Packed& shard, const Window& window, std::span<const std::int32_t>::iterator first,
                 std::span<const std::int64_t> places, std::int64_t known, Random& random) {
    const std::int32_t length = window.end - window.begin;
    const auto position = static_cast<std::int32_t>(shard.tokens()) - length;
    const std::int64_t thinned = window.end < known ? 0 : known;
    for (std::int32_t i = 0; i < length; ++i) {
        if (window.begin + i + 1 < thinned && random.uniform() >= kOldShare) continue;
        shard.trained.push_back(position + i);
        shard.labels.push_back(first[i + 1]);
        shard.label_places.push_back(places[static_cast<std::size_t>(window.begin + i + 1)]);
    }
}

}  // namespace

std::vector<Packed> pack_shards(const Sequences& data, std::span<const Window> windows, int shards,
                                double user_dropout, Random& random) {
    std::vector<Packed> packed(static_cast<std::size_t>(shards));
    std::vector<double> work(packed.size());
    std::vector<Window> longest_first(windows.begin(), windows.end());
    std::stable_sort(longest_first.begin(), longest_first.end(),
                     [](const Window& a, const Window& b) { return a.end - a.begin > b.end - b.begin; });
    for (const Window& window : longest_first) {
        const auto least = std::min_element(work.begin(), work.end()) - work.begin();
        const double length = window.end - window.begin;
        work[static_cast<std::size_t>(least)] += length * (1 + length / 2000);  // attention is quadratic
        Packed& shard = packed[static_cast<std::size_t>(least)];
        const auto history = data.of(window.user);
        const auto begin = history.begin() + window.begin, end = history.begin() + window.end;
        shard.append({begin, end}, random.uniform() < user_dropout ? -1 : window.user, window.begin);
        const auto places = data.places(window.user);
        shard.places.insert(shard.places.end(), places.begin() + window.begin, places.begin() + window.end);
        if (data.builds_on_a_model()) {
            keep_labels(shard, window, begin, places, data.known(window.user), random);
        } else {
            shard.labels.insert(shard.labels.end(), begin + 1, end + 1);
            shard.label_places.insert(shard.label_places.end(), places.begin() + window.begin + 1,
                                      places.begin() + window.end + 1);
        }
    }
    for (Packed& shard : packed) shard.seed = static_cast<std::uint32_t>(random.next());
    return packed;
}

}  // namespace seqrec::trainer
