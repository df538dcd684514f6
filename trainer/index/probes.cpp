#include "index/probes.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "kernels/step_kernels.hpp"
#include "measure/ten_best.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kRoom = 2;                  // standard errors
constexpr std::int64_t kScoredQueries = 96;  // scored at a time
constexpr std::int64_t kItems = 2048;        // by so many items
constexpr float kExcluded = -1e30f;          // below every product

/// scores[q, i] = queries[first + q] . rows[i], for `count` queries and `n` rows.
void score(const Tensor& queries, std::int64_t first, std::int64_t count, const float* rows, std::int64_t n,
           std::vector<float>& scores) {
    const std::int64_t width = queries.size(1);
    scores.resize(static_cast<std::size_t>(count * n));
    k().gemm({count, n, width, queries.data_ptr<float>() + first * width, width, 1, rows, 1, width,
              scores.data(), n});
}

/// The exact ten best of `count` queries from `first` on.
class Exact {
  public:
    Exact(const Tensor& items, const Queries& queries, std::int64_t first, std::int64_t count)
        : best_(static_cast<std::size_t>(count)) {
        for (std::int64_t q = 0; q < count; ++q) {
            const auto& seen = queries.seen[static_cast<std::size_t>(first + q)];
            seen_.emplace_back(seen.begin(), seen.end());
            std::sort(seen_.back().begin(), seen_.back().end());
        }
        for (std::int64_t begin = 0; begin < items.size(0); begin += kItems) {
            const std::int64_t n = std::min(kItems, items.size(0) - begin);
            score(queries.vectors, first, count, items.data_ptr<float>() + begin * items.size(1), n, scores_);
            for (std::int64_t q = 0; q < count; ++q) add(static_cast<std::size_t>(q), begin, n);
        }
    }

    std::span<const std::int64_t> items(std::int64_t query) const {
        return best_[static_cast<std::size_t>(query)].items();
    }

  private:
    void add(std::size_t query, std::int64_t begin, std::int64_t n) {
        float* row = scores_.data() + static_cast<std::int64_t>(query) * n;
        const auto& all = seen_[query];
        auto seen = std::lower_bound(all.begin(), all.end(), begin);
        for (; seen != all.end() && *seen < begin + n; ++seen) row[*seen - begin] = kExcluded;
        TenBest& best = best_[query];
        for (std::int64_t i = 0; i < n; ++i)
            if (best.wants(row[i]) && row[i] > kExcluded) best.add(row[i], begin + i);
    }

    std::vector<std::vector<std::int32_t>> seen_;
    std::vector<TenBest> best_;
    std::vector<float> scores_;
};

/// For each query, how many lists must be read to reach each of its ten best.
using Needed = std::vector<std::vector<std::int64_t>>;

Needed needed_lists(const ListIndex& index, const Tensor& items, const Queries& queries, Workers& workers,
                    const std::function<void(double)>& poll) {
    const std::int64_t count = queries.vectors.size(0), lists = index.lists();
    Needed needed(static_cast<std::size_t>(count));
    std::atomic<std::int64_t> next = 0, done = 0;
    workers.run([&](int) {
        std::vector<float> scores;
        for (std::int64_t first; (first = next.fetch_add(kScoredQueries)) < count;) {
            const std::int64_t part = std::min(kScoredQueries, count - first);
            const Exact exact(items, queries, first, part);
            score(queries.vectors, first, part, index.centroids.data_ptr<float>(), lists, scores);
            for (std::int64_t q = 0; q < part; ++q)
                for (const std::int64_t item : exact.items(q)) {
                    const float* row = scores.data() + q * lists;
                    const float own = row[index.list[static_cast<std::size_t>(item)]];
                    needed[static_cast<std::size_t>(first + q)].push_back(
                        k().count_at_least(row, lists, own));
                }
            poll(static_cast<double>(done += part) / static_cast<double>(count));
        }
    });
    return needed;
}

/// Those of every other query, from the first or the second on.
Needed half(const Needed& needed, std::size_t from) {
    Needed part;
    for (std::size_t q = from; q < needed.size(); q += 2)
        if (!needed[q].empty()) part.push_back(needed[q]);
    return part;
}

/// What so many lists hold of the best of a query, and how sure its mean is.
struct Recall {
    double mean, error;
};

/// Queries count alike, which mostly have ten.
Recall recall_within(const Needed& needed, std::int64_t lists) {
    double sum = 0, squares = 0;
    for (const auto& of_query : needed) {
        const auto found = std::ranges::count_if(of_query, [&](auto each) { return each <= lists; });
        const double share = static_cast<double>(found) / static_cast<double>(of_query.size());
        sum += share;
        squares += share * share;
    }
    const double n = static_cast<double>(std::max<std::size_t>(needed.size(), 1));
    const double mean = needed.empty() ? 1 : sum / n;
    return {mean, needed.empty() ? 0 : std::sqrt(std::max(squares / n - mean * mean, 0.0) / n)};
}

/// The smallest number of lists whose recall, less so many of its standard errors, is the wanted one.
std::int64_t smallest(const Needed& needed, std::int64_t lists, double room) {
    std::int64_t low = 1, high = lists;
    while (low < high) {
        const std::int64_t middle = (low + high) / 2;
        const Recall recall = recall_within(needed, middle);
        if (recall.mean - room * recall.error >= kWantedRecall)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/// Items in the nearest `probes` lists of every other query, as a share of all.
double share_read(const ListIndex& index, const Tensor& vectors, std::int64_t probes) {
    const std::int64_t lists = index.lists();
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(lists)), order(sizes.size());
    for (const std::int32_t list : index.list) ++sizes[static_cast<std::size_t>(list)];
    std::vector<float> scores;
    double read = 0, queries = 0;
    for (std::int64_t q = 1; q < vectors.size(0); q += 2, ++queries) {
        score(vectors, q, 1, index.centroids.data_ptr<float>(), lists, scores);
        std::iota(order.begin(), order.end(), 0);
        std::nth_element(order.begin(), order.begin() + probes - 1, order.end(), [&](auto a, auto b) {
            return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
        });
        for (std::int64_t i = 0; i < probes; ++i)
            read += static_cast<double>(sizes[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
    }
    return read / std::max(queries, 1.0) / static_cast<double>(index.list.size());
}

}  // namespace

Probes choose_probes(const ListIndex& index, const Tensor& items, std::span<const Queries> queries,
                     Workers& workers, const std::function<void(double)>& poll) {
    const at::NoGradGuard no_gradients;
    Probes probes{1, {}, 0};
    std::vector<Needed> others;
    for (std::size_t i = 0; i < queries.size(); ++i) {
        const Needed needed = needed_lists(index, items, queries[i], workers, [&](double share) {
            poll((static_cast<double>(i) + share) / static_cast<double>(queries.size()));
        });
        others.push_back(half(needed, 1));
        probes.count = std::max({probes.count, smallest(half(needed, 0), index.lists(), kRoom),
                                 smallest(others.back(), index.lists(), 0)});
    }
    for (const Needed& other : others) probes.recall.push_back(recall_within(other, probes.count).mean);
    probes.share = share_read(index, queries.front().vectors, probes.count);
    return probes;
}

}  // namespace seqrec::trainer
