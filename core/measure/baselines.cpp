#include "core/measure/baselines.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/measure/user_lists.hpp"

namespace seqrec {
namespace {

std::int64_t popularity_rank(const Before& before, std::int32_t target, const Popularity& popularity) {
    const auto place = [&](std::int32_t item) { return popularity.place[static_cast<std::size_t>(item)]; };
    std::int64_t rank = place(target);
    for (const std::int32_t item : before.items()) rank -= before.hides(item) && place(item) < place(target);
    return rank;
}

class PopularityBaseline final : public Baseline {
  public:
    explicit PopularityBaseline(const Popularity& popularity) : popularity_(popularity) {}
    std::string_view name() const override { return "popularity"; }
    std::int64_t rank(const Before& before, std::int32_t target) override {
        return popularity_rank(before, target, popularity_);
    }

  private:
    const Popularity& popularity_;
};

/// For each item a list of others with scores.
struct ItemLists {
    std::vector<std::size_t> offsets;
    std::vector<ScoredCandidate> entries;

    std::span<const ScoredCandidate> of(std::int32_t item) const {
        const auto at = static_cast<std::size_t>(item);
        return {entries.data() + offsets[at], offsets[at + 1] - offsets[at]};
    }
};

/// Every item followed by another, both known, sorted.
std::vector<std::uint64_t> followings(const Teaching& teaching) {
    std::vector<std::uint64_t> pairs;
    const auto known = [&](std::int32_t item) { return item >= 0 && item < teaching.items; };
    for (const auto items : teaching.users)
        for (std::size_t i = 1; i < items.size(); ++i)
            if (known(items[i - 1]) && known(items[i]))
                pairs.push_back(static_cast<std::uint64_t>(items[i - 1]) << 32 |
                                static_cast<std::uint32_t>(items[i]));
    std::ranges::sort(pairs);
    return pairs;
}

ItemLists successors(const Teaching& teaching) {
    const std::vector<std::uint64_t> pairs = followings(teaching);
    ItemLists lists{std::vector<std::size_t>(static_cast<std::size_t>(teaching.items) + 1), {}};
    for (std::size_t i = 0, end; i < pairs.size(); i = end) {
        for (end = i; end < pairs.size() && pairs[end] == pairs[i];) ++end;
        lists.entries.push_back(
            {static_cast<std::int32_t>(pairs[i] & 0xffffffff), static_cast<float>(end - i)});
        ++lists.offsets[(pairs[i] >> 32) + 1];
    }
    std::partial_sum(lists.offsets.begin(), lists.offsets.end(), lists.offsets.begin());
    return lists;
}

class MarkovBaseline final : public Baseline {
  public:
    MarkovBaseline(const Teaching& teaching, const Popularity& popularity)
        : successors_(successors(teaching)), popularity_(popularity) {}
    std::string_view name() const override { return "markov"; }
    std::int64_t rank(const Before& before, std::int32_t target) override {
        if (before.clicks().empty()) return popularity_rank(before, target, popularity_);
        return rank_among(successors_.of(before.clicks().back()), target, before, popularity_);
    }

  private:
    ItemLists successors_;
    const Popularity& popularity_;
};

/// The items nearest to one, from how many users had both.
class NeighbourFinder {
  public:
    NeighbourFinder(const UserLists& had, std::size_t most)
        : had_(had), both_(static_cast<std::size_t>(had.items())), most_(most) {}

    void append(std::int32_t item, std::vector<ScoredCandidate>& to) {
        count(item);
        near_.clear();
        for (const std::int32_t other : touched_) {
            const auto both = static_cast<double>(std::exchange(both_[static_cast<std::size_t>(other)], 0));
            near_.push_back({other, static_cast<float>(both / std::sqrt(users(item) * users(other)))});
        }
        const std::size_t kept = std::min(most_, near_.size());
        std::ranges::partial_sort(near_, near_.begin() + static_cast<std::ptrdiff_t>(kept), is_nearer);
        to.insert(to.end(), near_.begin(), near_.begin() + static_cast<std::ptrdiff_t>(kept));
    }

  private:
    static bool is_nearer(const ScoredCandidate& a, const ScoredCandidate& b) {
        return a.score > b.score || (a.score == b.score && a.item < b.item);
    }
    double users(std::int32_t item) const { return static_cast<double>(had_.users_of(item).size()); }
    void count(std::int32_t item) {
        touched_.clear();
        for (const std::int32_t user : had_.users_of(item))
            for (const std::int32_t other : had_.items_of(user))
                if (other != item && both_[static_cast<std::size_t>(other)]++ == 0) touched_.push_back(other);
    }

    const UserLists& had_;
    std::vector<std::int32_t> both_, touched_;
    std::vector<ScoredCandidate> near_;
    std::size_t most_;
};

class ItemKnnBaseline final : public Baseline {
  public:
    ItemKnnBaseline(const Teaching& teaching, const Popularity& popularity, std::size_t neighbours,
                    const Poll& poll)
        : popularity_(popularity), sums_(static_cast<std::size_t>(teaching.items)) {
        const UserLists had(teaching);
        NeighbourFinder finder(had, neighbours);
        near_.offsets.push_back(0);
        for (std::int32_t item = 0; item < teaching.items; ++item) {
            if (poll) poll();
            finder.append(item, near_.entries);
            near_.offsets.push_back(near_.entries.size());
        }
    }
    std::string_view name() const override { return "item_knn"; }
    std::int64_t rank(const Before& before, std::int32_t target) override {
        candidates_.clear();
        for (const std::int32_t item : before.items())
            for (const ScoredCandidate& near : near_.of(item)) {
                float& sum = sums_[static_cast<std::size_t>(near.item)];
                if (sum == 0) candidates_.push_back({near.item, 0});
                sum += near.score;
            }
        for (ScoredCandidate& candidate : candidates_)
            candidate.score = std::exchange(sums_[static_cast<std::size_t>(candidate.item)], 0.0f);
        return rank_among(candidates_, target, before, popularity_);
    }

  private:
    ItemLists near_;
    const Popularity& popularity_;
    std::vector<float> sums_;
    std::vector<ScoredCandidate> candidates_;
};

}  // namespace

Popularity::Popularity(const Teaching& teaching)
    : counts(static_cast<std::size_t>(teaching.items)), place(counts.size()) {
    for (const auto items : teaching.users)
        for (const std::int32_t item : items)
            if (item >= 0 && item < teaching.items) ++counts[static_cast<std::size_t>(item)];
    std::vector<std::size_t> order(counts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
    for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::int32_t>(i);
}

void Before::set(std::span<const std::int32_t> clicks) {
    for (const std::int32_t item : items_) had_[static_cast<std::size_t>(item)] = 0;
    items_.clear();
    clicks_ = clicks;
    for (const std::int32_t item : clicks)
        if (std::exchange(had_[static_cast<std::size_t>(item)], 1) == 0) items_.push_back(item);
}

std::int64_t rank_among(std::span<const ScoredCandidate> candidates, std::int32_t target,
                        const Before& before, const Popularity& popularity) {
    float own = 0;
    for (const ScoredCandidate& candidate : candidates)
        if (candidate.item == target) own = candidate.score;
    const auto place = [&](std::int32_t item) { return popularity.place[static_cast<std::size_t>(item)]; };
    std::int64_t ahead = 0, more_popular = 0;
    for (const auto& [item, score] : candidates) {
        if (item == target || before.hides(item)) continue;
        const bool by_popularity = place(item) < place(target);
        ahead += score > own || (score == own && by_popularity);
        more_popular += by_popularity;
    }
    return own > 0 ? ahead : ahead + popularity_rank(before, target, popularity) - more_popular;
}

double pair_steps(const Teaching& teaching) {
    double steps = 0;
    for (const auto items : teaching.users) steps += static_cast<double>(items.size() * items.size());
    return steps;
}

std::unique_ptr<Baseline> popularity_baseline(const Popularity& popularity) {
    return std::make_unique<PopularityBaseline>(popularity);
}

std::unique_ptr<Baseline> markov_baseline(const Teaching& teaching, const Popularity& popularity) {
    return std::make_unique<MarkovBaseline>(teaching, popularity);
}

std::unique_ptr<Baseline> item_knn_baseline(const Teaching& teaching, const Popularity& popularity,
                                            std::size_t neighbours, const Poll& poll) {
    return std::make_unique<ItemKnnBaseline>(teaching, popularity, neighbours, poll);
}

}  // namespace seqrec
