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
Queries user_queries(const Members& served, const Dataset& data) {
    std::vector<std::int32_t> users(static_cast<std::size_t>(data.users()));
    std::iota(users.begin(), users.end(), 0);
    users = thin_out(users, kQueries);
    Queries queries;
    for (const std::int32_t user : users) queries.seen.push_back(data.sequence(user));
    queries.vectors = encode(served, queries.seen, users);
    return queries;
}

/// Directions near items, for a model that knows too few users.
Queries item_queries(const Tensor& items, Random random) {
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
    }
    return queries;
}

/// What scores are products with: rows of length 1, those without a direction 0.
Tensor unit_items(const Members& served) {
    const Tensor items = item_directions(served);
    return items.div_(items.norm(2, 1, true).clamp_min_(1e-20));
}

}  // namespace

nlohmann::json ModelIndex::metrics() const {
    return {{"index_lists", items.lists()},
            {"index_probes", probes.count},
            {"index_recall@10", probes.recall},
            {"index_share", probes.share}};
}

std::optional<ModelIndex> index_items(const Members& served, const Dataset& data, const Settings& settings,
                                      Workers& workers, Reporter& reporter) {
    if (!settings.index) return std::nullopt;
    const at::NoGradGuard no_gradients;
    const auto report = [&](double share) {
        reporter.progress({{"phase", "indexing"}, {"percent", 100 * share}});
    };
    report(0);
    Random random(static_cast<std::uint64_t>(settings.seed));
    const Tensor items = unit_items(served);
    ModelIndex index;
    index.items = group_items(items, choose_lists(items.size(0)), Random(random.next()), workers,
                              [&](double share) { report(kGroupingShare * share); });
    const Queries queries = data.users() < static_cast<std::int64_t>(kFewUsers)
                                ? item_queries(items, Random(random.next()))
                                : user_queries(served, data);
    index.probes = choose_probes(index.items, items, queries, workers, [&](double share) {
        report(kGroupingShare + (1 - kGroupingShare) * share);
    });
    return index;
}

}  // namespace seqrec::trainer
