#include "kinds/two_tower/step.hpp"

#include <algorithm>
#include <cmath>

#include "indexes.hpp"
#include "kinds/shared/loss.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

/// The towers in leaf tensors, so that shards share no autograd state.
Towers leaves_of(const Towers& towers) {
    Towers copy = towers;
    copy.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.detach().requires_grad_(); });
    return copy;
}

/// Gradients of all leaves, zeros of those that had no part in it.
std::vector<Tensor> gradients_of(const Tensor& output, const Tensor& gradient,
                                 const std::vector<Tensor>& leaves) {
    std::vector<Tensor> gradients = torch::autograd::grad(
        {output}, leaves, gradient.defined() ? std::vector<Tensor>{gradient} : std::vector<Tensor>{},
        c10::nullopt, false, true);
    for (std::size_t i = 0; i < leaves.size(); ++i)
        gradients[i] = gradients[i].defined() ? gradients[i].contiguous() : at::zeros_like(leaves[i]);
    return gradients;
}

bool asks_without_clicks(const Packed& shard, std::size_t sequence, const UserFeatures& features) {
    const std::int32_t user = shard.users[sequence];
    return user >= 0 && features.rows() > 0 && features.knows(user);
}

/// The features of a shard's users: which of their sums each sequence has, -1 for none, and which of them ask
/// without clicks, each for an item of the sequence.
struct ShardUsers {
    std::vector<std::span<const QueryFeature>> features;
    Indexes sum_of_sequence, asking, wanted;

    ShardUsers(const Packed& shard, const UserFeatures& of) {
        Random random(shard.seed);
        for (std::size_t s = 0; s < shard.users.size(); ++s) {
            const bool described = shard.users[s] >= 0 && of.rows() > 0;
            sum_of_sequence.push_back(described ? static_cast<std::int32_t>(features.size()) : -1);
            if (!described) continue;
            if (asks_without_clicks(shard, s, of)) {
                const auto length = static_cast<std::uint64_t>(shard.offsets[s + 1] - shard.offsets[s]);
                asking.push_back(sum_of_sequence.back());
                wanted.push_back(
                    shard.items[static_cast<std::size_t>(shard.offsets[s]) + random.below(length)]);
            }
            features.push_back(of.of(shard.users[s]));
        }
    }
};

/// Queries of all labels, then those of users asked without their clicks.
Tensor queries_of(const Towers& towers, const Batch& batch, const ShardUsers& users, const Tensor& table,
                  Pass pass) {
    Tensor seen = towers.look(batch, table, pass), sums;
    if (!users.features.empty()) sums = towers.sums(users.features);
    Tensor queries = towers.answer(
        seen, sums,
        [&](const Tensor& hidden, const Tensor& rows) {
            return add_rows(hidden, rows, batch, users.sum_of_sequence);
        },
        pass);
    if (std::ssize(batch->labels) < batch->tokens())  // an earlier model knows the others
        queries = queries.index_select(0, index_of(batch->trained));
    if (users.asking.empty()) return queries;
    pass.seed += 0x51ED270Bu;  // masks of their own
    const Tensor nothing = at::zeros({static_cast<std::int64_t>(users.asking.size()), seen.size(1)});
    const Tensor alone = towers.answer(
        nothing, sums.index_select(0, index_of(users.asking)),
        [](const Tensor& hidden, const Tensor& rows) { return hidden + rows; }, pass);
    return at::cat({queries, alone});
}

}  // namespace

std::int32_t StepItems::place(std::int32_t item) const { return place_of(rows, item); }

Catalogue::Catalogue(const Dataset& data, Part part) {
    const std::vector<std::int64_t> counts = Sequences(data, part, nullptr).counts(data.items());
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (counts[i] > 0) warm.push_back(static_cast<std::int32_t>(i));
    shares = proportions(counts);
}

StepItems all_items(const Catalogue& catalogue) {
    StepItems items;
    items.rows = catalogue.warm;
    return items;
}

StepItems sampled_items(const Catalogue& catalogue, const std::vector<Packed>& shards, std::int64_t draws,
                        Random& random) {
    StepItems items;
    Indexes drawn;
    double interactions = 0;
    for (const Packed& shard : shards) {
        items.rows.insert(items.rows.end(), shard.items.begin(), shard.items.end());
        items.rows.insert(items.rows.end(), shard.labels.begin(), shard.labels.end());
        interactions +=
            static_cast<double>(shard.items.size() + shard.users.size());  // and each one's last label
    }
    const auto count = static_cast<std::uint64_t>(catalogue.warm.size());
    for (std::int64_t i = 0; i < draws; ++i) drawn.push_back(catalogue.warm[random.below(count)]);
    items.rows.insert(items.rows.end(), drawn.begin(), drawn.end());
    sort_unique(items.rows);
    const double missed =
        count > 1 ? static_cast<double>(draws) * std::log1p(-1 / static_cast<double>(count)) : 0;
    for (const std::int32_t item : items.rows) {
        const double share =
            std::min(0.999999, static_cast<double>(catalogue.shares[static_cast<std::size_t>(item)]));
        const double absent = std::exp(interactions * std::log1p(-share) + missed);
        items.weights.push_back(static_cast<float>(1 / std::max(1e-6, 1 - absent)));
    }
    if (drawn.empty()) drawn = items.rows;  // each other's negatives
    for (const std::int32_t item : drawn) items.drawn.push_back(items.place(item));
    return items;
}

ItemPart::ItemPart(const Towers& towers, const Tensor& residuals, const Tensor& keep,
                   const ContentRows& content) {
    Towers copy = leaves_of(towers);
    leaves_ = copy.tensors();
    residuals_ = residuals.detach().requires_grad_();
    output_ = copy.items(residuals_ * keep, content);
    rows_ = output_.detach();
}

Tensor ItemPart::backward(const Tensor& gradient, std::vector<Tensor>& dense) const {
    std::vector<Tensor> leaves = leaves_;
    leaves.push_back(residuals_);
    dense = gradients_of(output_, gradient, leaves);
    const Tensor residuals = dense.back();
    dense.pop_back();
    return residuals;
}

std::int64_t labels_of(const Packed& shard, const UserFeatures& features) {
    auto labels = static_cast<std::int64_t>(shard.labels.size());
    for (std::size_t s = 0; s < shard.users.size(); ++s)
        if (asks_without_clicks(shard, s, features)) ++labels;
    return labels;
}

TowerOutput compute_tower_shard(const TowerInput& input, Packed shard, double label_weight) {
    const TowerSettings& settings = input.settings;
    const ShardUsers users(shard, input.features);
    Indexes labels;
    for (const std::int32_t label : shard.labels) labels.push_back(input.items.place(label));
    for (const std::int32_t item : users.wanted) labels.push_back(input.items.place(item));
    for (std::int32_t& item : shard.items) item = input.items.place(item);
    const auto batch = std::make_shared<const Packed>(std::move(shard));
    Towers towers = leaves_of(input.towers);
    const Tensor table = input.table.detach().requires_grad_();
    const Pass pass{static_cast<float>(settings.dropout), batch->seed, settings.bfloat16};
    const Tensor queries = queries_of(towers, batch, users, table, pass);
    const Tensor loss = settings.bce
                            ? bce_loss(queries, table, labels, input.items.drawn, towers.shift,
                                       settings.temperature, label_weight)
                            : softmax_loss(queries, table, labels, input.items.weights,
                                           1 / settings.temperature, label_weight, settings.bfloat16);
    std::vector<Tensor> leaves = towers.tensors();
    leaves.push_back(table);
    TowerOutput output;
    output.loss = loss.item<double>();
    output.dense = gradients_of(loss, {}, leaves);
    output.table = output.dense.back();
    output.dense.pop_back();
    return output;
}

Tensor bce_loss(const Tensor& hidden, const Tensor& candidates, const Indexes& labels, const Indexes& drawn,
                const Tensor& shift, double temperature, double factor) {
    const Tensor wanted = index_of(labels), others = index_of(drawn);
    const Tensor yes = ((hidden * candidates.index_select(0, wanted)).sum(1) + shift) * (1 / temperature);
    const Tensor no = (at::mm(hidden, candidates.index_select(0, others).t()) + shift) * (1 / temperature);
    const Tensor counts = wanted.unsqueeze(1).ne(others.unsqueeze(0)).to(at::kFloat);
    const Tensor mean = (at::softplus(no) * counts).sum(1) / counts.sum(1).clamp_min(1);
    return (at::softplus(-yes).sum() + mean.sum()) * factor;
}

}  // namespace seqrec::trainer
