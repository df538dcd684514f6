#include "index/indexing.hpp"

#include <cmath>
#include <numeric>

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::size_t kQueries = 1000;
constexpr std::size_t kFewUsers = 100;   // too few to tell a share of 99.5 %
constexpr float kNoise = 0.5f;           // length of what is added to an item that stands for a user
constexpr double kGroupingShare = 0.95;  // of the time, about

/// Users after all they have seen.
Queries user_queries(const Weights& served, const Dataset& data) {
    std::vector<std::int32_t> users(static_cast<std::size_t>(data.users()));
    std::iota(users.begin(), users.end(), 0);
    users = thin_out(users, kQueries);
    Queries queries;
    for (const std::int32_t user : users) queries.seen.push_back(data.sequence(user));
    queries.vectors = served.encode(queries.seen, users);
    if (data.keeps_repeats()) queries.seen.assign(users.size(), {});  // they may be answered
    return queries;
}

/// Directions near items, for a model that knows too few users; 1 for the column of an item's bias, as a user's query has.
Queries item_queries(const Tensor& rows, const ScoreForm& form, Random random) {
    const Tensor items = rows / rows.norm(2, 1, true).clamp_min(1e-20);
    const std::int64_t width = items.size(1), count = kQueries;
    const float reach = kNoise * std::sqrt(3 / static_cast<float>(width));  // of a uniform distribution
    Queries queries;
    queries.seen.resize(kQueries);
    queries.vectors = at::empty({count, width}, at::kFloat);
    for (std::int64_t q = 0; q < count; ++q) {
        const float* item = items.data_ptr<float>() + q * items.size(0) / count * width;
        float* query = queries.vectors.data_ptr<float>() + q * width;
        for (std::int64_t d = 0; d < width; ++d)
            query[d] = item[d] + reach * static_cast<float>(2 * random.uniform() - 1);
        if (form.item_bias) query[width - 1] = 1;
    }
    return queries;
}

Tensor lengths(const Tensor& rows) { return rows.norm(2, 1, true); }

/// Rows of length 1 whose products order the items as the scores do. Directions for cosines, those without
/// one 0. Otherwise the rows by the longest, with a column that makes up what they are shorter (Bachrach et
/// al., "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product spaces",
/// 2014): queries have 0 there.
Tensor unit_items(const Tensor& rows, const ScoreForm& form) {
    if (form.link == Link::Cosine) return rows / lengths(rows).clamp_min_(1e-20);
    const Tensor scaled = rows / lengths(rows).max().clamp_min(1e-20);
    const Tensor rest = (1 - lengths(scaled).square()).clamp_min_(0).sqrt();
    return at::cat({scaled, rest}, 1);
}

/// The queries in the columns of unit_items().
Tensor widened(const Tensor& queries, std::int64_t width) {
    if (queries.size(1) == width) return queries;
    return at::cat({queries, at::zeros({queries.size(0), width - queries.size(1)})}, 1);
}

}  // namespace

nlohmann::json ModelIndex::metrics() const {
    return {{"index_lists", items.lists()},
            {"index_probes", probes.count},
            {"index_recall@10", probes.recall},
            {"index_share", probes.share}};
}

bool wants_index(const std::string& wanted, const Tensor& item_rows) {
    return wanted == "ivf" || (wanted == "auto" && item_rows.numel() > 100'000'000);
}

ModelIndex index_items(const Weights& served, const Tensor& rows, const ScoreForm& form, const Dataset& data,
                       std::uint64_t seed, Workers& workers, Reporter& reporter) {
    const at::NoGradGuard no_gradients;
    const auto report = [&](double share) {
        reporter.progress({{"phase", "indexing"}, {"percent", 100 * share}});
    };
    report(0);
    Random random(seed);
    const Tensor items = unit_items(rows, form);
    ModelIndex index;
    index.items = group_items(items, choose_lists(items.size(0)), Random(random.next()), workers,
                              [&](double share) { report(kGroupingShare * share); });
    Queries queries = data.users() < static_cast<std::int64_t>(kFewUsers)
                          ? item_queries(rows, form, Random(random.next()))
                          : user_queries(served, data);
    queries.vectors = widened(queries.vectors, items.size(1));
    index.probes = choose_probes(index.items, items, queries, workers, [&](double share) {
        report(kGroupingShare + (1 - kGroupingShare) * share);
    });
    index.items.centroids = index.items.centroids.narrow(1, 0, rows.size(1)).contiguous();
    return index;
}

}  // namespace seqrec::trainer
