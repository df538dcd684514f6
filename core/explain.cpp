#include "core/explain.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace seqrec {
namespace {

/// Scores of some items after a part of what is known of the asker.
class Scores {
  public:
    Scores(const Snapshot& snapshot, std::span<const std::int32_t> items, bool exact)
        : snapshot_(snapshot), items_(items), exact_(exact) {}

    std::vector<float> after(const EncoderInput& input) const {
        const Query query = query_after(snapshot_, input, exact_);
        std::vector<float> scores;
        for (const std::int32_t item : items_) scores.push_back(own_score(snapshot_, query, item));
        return scores;
    }

    /// Every place where `left_out` was clicked is gone; the clicks before the encoder's reach move up.
    std::vector<float> without(const EncoderInput& whole, std::int32_t left_out) const {
        std::vector<std::int32_t> clicks(whole.clicks.begin(), whole.clicks.end());
        std::erase(clicks, left_out);
        clicks = clicks_that_count(snapshot_, std::move(clicks));
        return after({clicks, whole.user, whole.context});
    }

  private:
    const Snapshot& snapshot_;
    std::span<const std::int32_t> items_;
    bool exact_;
};

/// The items that the encoder looks at, each once, the latest first.
std::vector<std::int32_t> within_reach(std::span<const std::int32_t> clicks, std::size_t reach) {
    std::vector<std::int32_t> items;
    for (std::size_t i = clicks.size(); i-- > 0 && clicks.size() - i <= reach;)
        if (std::ranges::find(items, clicks[i]) == items.end()) items.push_back(clicks[i]);
    return items;
}

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

/// Of what is known of the user, the part of the context that an item's score loses most without, where it is more than the user's.
void name_parts(std::span<Reason> reasons, const Scores& scores, const EncoderInput& whole,
                std::span<const float> with, const Poll& poll) {
    const auto without_user = scores.after({whole.clicks, -1, whole.context});
    std::vector<float> most;
    for (std::size_t i = 0; i < reasons.size(); ++i)
        most.push_back(std::max(0.0F, with[i] - without_user[i]));
    std::int32_t place = 0;
    for (const auto& [key, value] : whole.context->items()) {
        if (poll) poll();
        auto rest = *whole.context;
        rest.erase(key);
        const auto without = scores.after({whole.clicks, whole.user, &rest});
        for (std::size_t i = 0; i < reasons.size(); ++i)
            if (const float loss = with[i] - without[i]; loss > most[i]) {
                most[i] = loss;
                reasons[i].part = reasons[i].source == Source::User ? place : -1;
            }
        ++place;
    }
}

bool speak_of_users(std::span<const Reason> reasons) {
    return std::ranges::any_of(reasons, [](const Reason& reason) { return reason.source == Source::User; });
}

}  // namespace

std::vector<Reason> explain(const Snapshot& snapshot, const Asker& asker, std::span<const std::int32_t> items,
                            bool exact, const Poll& poll) {
    const auto reach = static_cast<std::size_t>(snapshot.encoder().reach());
    auto clicks = clicks_that_count(snapshot, asker.clicks, poll);
    if (!snapshot.keeps_repeats() && clicks.size() > reach)  // each once: no more than one moves up
        clicks.erase(clicks.begin(), clicks.end() - static_cast<std::ptrdiff_t>(reach + 1));
    const EncoderInput whole{clicks, find_user(snapshot, asker.user), asker.context};
    if (!query_after(snapshot, whole, exact).known) return popular_reasons(snapshot, items);
    const Scores scores(snapshot, items, exact);
    const auto with = scores.after(whole);
    std::vector<Reason> reasons(items.size(), {Source::Clicks, -1, -std::numeric_limits<float>::infinity()});
    for (const std::int32_t click : within_reach(clicks, reach)) {
        if (poll) poll();
        weigh_click(reasons, click, with, scores.without(whole, click));
    }
    if (whole.user >= 0 || whole.context || clicks.empty())
        weigh_user(reasons, clicks.empty(), with, scores.after({clicks}));
    if (whole.context && speak_of_users(reasons)) name_parts(reasons, scores, whole, with, poll);
    return reasons;
}

}  // namespace seqrec
