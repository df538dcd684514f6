#include "kinds/transformer/companions.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace seqrec::trainer {
namespace {

constexpr std::size_t kClicks = 20;  // the latest, that are looked at
constexpr std::size_t kUsers = 200;  // of an item, evenly spread: what everybody had says little
constexpr float kFading = 0.8f;      // from a click to the one before

Teaching training_of(const Dataset& data) {
    Teaching teaching{data.items(), {}, data.keeps_repeats()};
    for (std::int64_t u = 0; u < data.users(); ++u) teaching.users.push_back(data.training(u));
    return teaching;
}

}  // namespace

Companions::Companions(const Dataset& data) : had_(training_of(data)) {}

Company::Company(const Companions& companions)
    : had_(companions.had()), sums_(static_cast<std::size_t>(had_.items())) {}

/// Adds weight / √users to all that came with a click, for each who had both.
void Company::count(std::int32_t click, std::int32_t user, float weight) {
    const auto users = had_.users_of(click);
    const std::size_t asked = std::min(users.size(), kUsers);
    const float each = weight * std::sqrt(static_cast<float>(users.size())) / static_cast<float>(asked);
    for (std::size_t i = 0; i < asked; ++i) {
        const std::int32_t other = users[i * users.size() / asked];
        if (other == user) continue;
        for (const std::int32_t item : had_.items_of(other)) {
            float& sum = sums_[static_cast<std::size_t>(item)];
            if (sum == 0) found_.push_back({item, 0});
            sum += each;
        }
    }
}

std::span<const ScoredCandidate> Company::after(std::int32_t user, std::span<const std::int32_t> clicks) {
    found_.clear();
    float weight = 1;
    for (std::size_t i = 0; i < std::min(clicks.size(), kClicks); ++i, weight *= kFading)
        count(clicks[clicks.size() - 1 - i], user, weight);
    for (ScoredCandidate& found : found_) {
        const auto users = had_.users_of(found.item);
        const bool own = user >= 0 && std::ranges::binary_search(users, user);
        const float others = static_cast<float>(users.size()) - (own ? 1.0f : 0.0f);
        found.score = std::exchange(sums_[static_cast<std::size_t>(found.item)], 0.0f) /
                      std::sqrt(std::max(others, 1.0f));
    }
    return found_;
}

void Company::add_to(std::span<float> scores, float weight, std::int32_t user,
                     std::span<const std::int32_t> clicks) {
    if (weight == 0) return;
    for (const auto& [item, company] : after(user, clicks))
        scores[static_cast<std::size_t>(item)] += weight * std::log1p(company / kLittle);
}

}  // namespace seqrec::trainer
