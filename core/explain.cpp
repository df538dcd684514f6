#include "core/explain.hpp"

#include <algorithm>
#include <limits>

namespace seqrec {
namespace {

/// Clicks that the model knows, each once, where it was clicked last. One more than the encoder looks at is
/// kept: when one of those is left out, it moves up.
struct Clicks {
    std::vector<std::string_view> ids;
    std::vector<std::int32_t> items;
};

Clicks clicks_that_count(const Snapshot& snapshot, Ids clicks, const Poll& poll) {
    const auto reach = static_cast<std::size_t>(snapshot.encoder().reach()) + 1;
    Clicks found;
    for (std::size_t i = clicks.size(); i-- > 0 && found.ids.size() < reach;) {
        if (poll && i % kPollEvery == 0) poll();
        const std::int32_t item = snapshot.items().find(clicks[i]);
        if (item < 0 || std::ranges::find(found.items, item) != found.items.end()) continue;
        found.ids.push_back(clicks[i]);
        found.items.push_back(item);
    }
    std::ranges::reverse(found.ids);
    std::ranges::reverse(found.items);
    return found;
}

/// Scores of some items without a part of what is known of the asker.
class Scores {
  public:
    Scores(const Snapshot& snapshot, std::span<const std::int32_t> items, bool exact, const Poll& poll)
        : snapshot_(snapshot), items_(items), exact_(exact), poll_(poll) {}

    std::vector<float> of(const Asker& asker) const {
        const Query query = asker_query(snapshot_, asker, exact_, poll_);
        std::vector<float> scores;
        for (const std::int32_t item : items_) scores.push_back(own_score(snapshot_, query, item));
        return scores;
    }

  private:
    const Snapshot& snapshot_;
    std::span<const std::int32_t> items_;
    bool exact_;
    const Poll& poll_;
};

/// Without a vector all that speaks for an item is its share.
std::vector<Reason> popular_reasons(const Snapshot& snapshot, std::span<const std::int32_t> items) {
    std::vector<Reason> reasons;
    for (const std::int32_t item : items)
        reasons.push_back({Source::Popular, -1, score_of(snapshot, {{}, false, 0}, item)});
    return reasons;
}

/// Names `click` where the score loses more without it than without those before.
void weigh_click(std::span<Reason> reasons, std::int32_t click, std::span<const float> with,
                 std::span<const float> without) {
    for (std::size_t i = 0; i < reasons.size(); ++i)
        if (const float loss = with[i] - without[i]; loss > reasons[i].contribution)
            reasons[i] = {Source::Clicks, loss > 0 ? click : -1, loss};
}

void weigh_user(std::span<Reason> reasons, bool alone, std::span<const float> with,
                std::span<const float> without) {
    for (std::size_t i = 0; i < reasons.size(); ++i)
        if (const float loss = with[i] - without[i]; alone || (loss > 0 && loss > reasons[i].contribution))
            reasons[i] = {Source::User, -1, loss};
}

}  // namespace

std::vector<Reason> explain(const Snapshot& snapshot, const Asker& asker, std::span<const std::int32_t> items,
                            bool exact, const Poll& poll) {
    const Clicks clicks = clicks_that_count(snapshot, asker.clicks, poll);
    if (!asker_query(snapshot, {asker.user, clicks.ids}, exact, poll).known)
        return popular_reasons(snapshot, items);
    const Scores scores(snapshot, items, exact, poll);
    const auto with = scores.of({asker.user, clicks.ids});
    std::vector<Reason> reasons(items.size(), {Source::Clicks, -1, -std::numeric_limits<float>::infinity()});
    const auto reach = static_cast<std::size_t>(snapshot.encoder().reach());
    for (std::size_t left = clicks.ids.size(); left-- > 0 && clicks.ids.size() - left <= reach;) {
        if (poll) poll();
        auto rest = clicks.ids;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(left));
        weigh_click(reasons, clicks.items[left], with, scores.of({asker.user, rest}));
    }
    if (asker.user.data() && snapshot.users().find(asker.user) >= 0)
        weigh_user(reasons, clicks.ids.empty(), with, scores.of({{}, clicks.ids}));
    return reasons;
}

}  // namespace seqrec
