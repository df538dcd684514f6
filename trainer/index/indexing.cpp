#include "index/indexing.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::size_t kQueries = 1000;
constexpr std::int64_t kLikeQueries = 500;
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
Queries near_items(const Tensor& rows, const ScoreForm& form, Random random) {
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

/// Evenly spread over all.
std::vector<std::int32_t> some_items(std::int64_t items) {
    std::vector<std::int32_t> some(
        static_cast<std::size_t>(std::clamp<std::int64_t>(items, 2, kLikeQueries)));
    for (std::size_t i = 0; i < some.size(); ++i)
        some[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) * items / std::ssize(some));
    return some;
}

/// Items that ask for like ones, themselves not among them.
Queries like_queries(const Tensor& items, std::span<const std::int32_t> asked) {
    Queries queries{at::empty({std::ssize(asked), items.size(1)}, at::kFloat), {}};
    for (std::size_t q = 0; q < asked.size(); ++q) {
        queries.vectors[static_cast<std::int64_t>(q)].copy_(items[asked[q]]);
        queries.seen.push_back(asked.subspan(q, 1));
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

/// A share with three digits.
std::string percent(double share) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3g %%", 100 * share);
    return text.data();
}

/// In words, for who looks why a large model has an index or none.
std::string reason(const ModelIndex& index, const std::string& wanted, bool kept) {
    const std::string measured = "a search reads " + percent(index.cost()) +
                                 " of what it reads without and finds " +
                                 percent(index.probes.recall.front()) + " of the ten best";
    return (kept ? "ivf: " : "none: ") + measured +
           (wanted == "auto" ? "; auto takes the index from " + percent(kWantedRecall) + " at " +
                                   percent(kWorthwhile) + " on"
                             : "; asked for");
}

}  // namespace

double ModelIndex::cost() const {
    constexpr double kCentroidBytes = sizeof(float);
    return probes.share +
           kCentroidBytes * static_cast<double>(items.lists()) / static_cast<double>(items.list.size());
}

bool ModelIndex::pays() const { return cost() <= kWorthwhile; }

nlohmann::json ModelIndex::metrics() const {
    nlohmann::json metrics = {{"index_lists", items.lists()},
                              {"index_probes", probes.count},
                              {"index_recall@10", probes.recall.front()},
                              {"index_share", probes.share},
                              {"index_cost", cost()}};
    if (probes.recall.size() > 1) metrics["index_similar_recall@10"] = probes.recall[1];
    return metrics;
}

bool wants_index(const std::string& wanted, const Tensor& item_rows) {
    return wanted == "ivf" ||
           (wanted == "auto" && (item_rows.size(0) >= 300'000 || item_rows.numel() > 100'000'000));
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
    std::vector<Queries> queries = {data.users() < static_cast<std::int64_t>(kFewUsers)
                                        ? near_items(rows, form, Random(random.next()))
                                        : user_queries(served, data)};
    queries.front().vectors = widened(queries.front().vectors, items.size(1));
    const std::vector<std::int32_t> asked = some_items(items.size(0));
    if (form.link == Link::Cosine) queries.push_back(like_queries(items, asked));
    index.probes = choose_probes(index.items, items, queries, workers, [&](double share) {
        report(kGroupingShare + (1 - kGroupingShare) * share);
    });
    index.items.centroids = index.items.centroids.narrow(1, 0, rows.size(1)).contiguous();
    return index;
}

std::optional<ModelIndex> choose_index(const nlohmann::json& options, const Weights& served,
                                       const ScoreForm& form, const Dataset& data, nlohmann::json& config,
                                       nlohmann::json& metrics, Workers& workers, Reporter& reporter) {
    const Tensor rows = served.item_rows();
    const std::string& wanted = options.at("index").get_ref<const std::string&>();
    config.update({{"index", "none"}, {"lists", 0}, {"probes", 0}});
    if (!wants_index(wanted, rows)) return std::nullopt;
    ModelIndex index = index_items(served, rows, form, data, options.at("seed"), workers, reporter);
    metrics.update(index.metrics());
    const bool kept = wanted == "ivf" || index.pays();
    metrics["index_choice"] = reason(index, wanted, kept);
    if (!kept) return std::nullopt;
    config.update({{"index", "ivf"}, {"lists", index.items.lists()}, {"probes", index.probes.count}});
    return index;
}

}  // namespace seqrec::trainer
