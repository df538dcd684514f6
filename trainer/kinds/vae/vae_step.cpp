#include "kinds/vae/vae_step.hpp"

#include <algorithm>
#include <utility>

#include "indexes.hpp"
#include "kinds/shared/loss.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::uint64_t kNoise = 0x5EED0F2A;  // the noise's own numbers beside those of masks

/// The model in leaf tensors, so that shards share no autograd state.
Vae leaves_of(const Vae& model) {
    Vae copy = model;
    copy.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.detach().requires_grad_(); });
    return copy;
}

/// What follows each position of a shard, -1 where nothing is known to.
Indexes followers(const Packed& shard) {
    Indexes follower(shard.items.size(), -1);
    for (std::size_t s = 0; s + 1 < shard.offsets.size(); ++s)
        for (std::int64_t t = shard.offsets[s]; t + 1 < shard.offsets[s + 1]; ++t)
            follower[static_cast<std::size_t>(t)] = shard.items[static_cast<std::size_t>(t) + 1];
    for (std::size_t l = 0; l < shard.labels.size(); ++l)
        follower[shard.trained.empty() ? l : static_cast<std::size_t>(shard.trained[l])] = shard.labels[l];
    return follower;
}

/// Places where each next item's label is, and where the item is among the rows.
struct Pairs {
    Tensor label, item;
    std::vector<float> share;  // 1 / how many its label has

    explicit Pairs(const NextItems& next) : item(index_of(next.items)) {
        Indexes labels;
        for (std::size_t t = 0; t + 1 < next.offsets.size(); ++t) {
            const std::int64_t count = next.offsets[t + 1] - next.offsets[t];
            labels.insert(labels.end(), static_cast<std::size_t>(count), static_cast<std::int32_t>(t));
            share.insert(share.end(), static_cast<std::size_t>(count), 1 / static_cast<float>(count));
        }
        label = index_of(labels);
    }

    Tensor scores(const Tensor& queries, const Tensor& items) const {
        return (queries.index_select(0, label) * items.index_select(0, item)).sum(1);
    }
};

bool has_more(const NextItems& next) { return next.items.size() + 1 > next.offsets.size(); }

Indexes first_of(const NextItems& next) {
    Indexes labels;
    for (std::size_t t = 0; t + 1 < next.offsets.size(); ++t)
        labels.push_back(next.items[static_cast<std::size_t>(next.offsets[t])]);
    return labels;
}

Tensor reconstruction_loss(const VaeInput& input, const Tensor& queries, const Tensor& items,
                           const NextItems& next, double label_weight) {
    const VaeSettings& settings = input.settings;
    const std::vector<float> weights = input.sample ? input.sample->weights : std::vector<float>();
    if (settings.mse) return next_squared_error(queries, unit_rows(items), next, weights, label_weight);
    return next_softmax_loss(unit_rows(queries), unit_rows(items), next, weights, 1 / settings.temperature,
                             label_weight, settings.bfloat16);
}

}  // namespace

NextItems next_items(const Packed& shard, std::int64_t count) {
    const Indexes follower = followers(shard);
    NextItems next;
    std::size_t sequence = 0;
    for (std::size_t l = 0; l < shard.labels.size(); ++l) {
        const std::int64_t at =
            shard.trained.empty() ? static_cast<std::int64_t>(l) : std::int64_t{shard.trained[l]};
        while (shard.offsets[sequence + 1] <= at) ++sequence;
        const std::int64_t end = std::min(shard.offsets[sequence + 1], at + count);
        for (std::int64_t t = at; t < end; ++t) {
            const std::int32_t item = follower[static_cast<std::size_t>(t)];
            const auto begin = next.items.begin() + static_cast<std::ptrdiff_t>(next.offsets.back());
            if (item >= 0 && std::find(begin, next.items.end(), item) == next.items.end())
                next.items.push_back(item);
        }
        next.offsets.push_back(static_cast<std::int64_t>(next.items.size()));
    }
    return next;
}

Tensor next_softmax_loss(const Tensor& queries, const Tensor& items, const NextItems& next,
                         const std::vector<float>& weights, double scale, double factor, bool bfloat16) {
    const Indexes labels = first_of(next);
    const Tensor loss = softmax_loss(queries, items, labels, weights, scale, factor, bfloat16);
    if (!has_more(next)) return loss;
    // softmax_loss() holds the first of them against all; its score gives way to the mean of theirs.
    const Pairs pairs(next);
    const Tensor first = (queries * items.index_select(0, index_of(labels))).sum();
    return loss + (first - (pairs.scores(queries, items) * tensor_of(pairs.share, at::kFloat)).sum()) *
                      (scale * factor);
}

Tensor next_squared_error(const Tensor& queries, const Tensor& items, const NextItems& next,
                          const std::vector<float>& weights, double factor) {
    const Tensor counted = weights.empty() ? items : items * tensor_of(weights, at::kFloat).unsqueeze(1);
    const Tensor all = (queries.mm(items.t().mm(counted)) * queries).sum();
    return (all + (1 - 2 * Pairs(next).scores(queries, items)).sum()) * factor;
}

Tensor floored_divergence(const Tensor& divergence, double floor) {
    return divergence.mean(0).clamp_min(floor).sum();
}

VaeOutput compute_vae_shard(const VaeInput& input, Packed shard, double label_weight) {
    const VaeSettings& settings = input.settings;
    Vae model = input.model;
    if (input.sample) {
        model.encoder.item = model.encoder.item.index_select(0, index_of(input.sample->rows));
        for (auto* items : {&shard.items, &shard.labels})
            for (std::int32_t& item : *items) item = input.sample->place(item);
    }
    model = leaves_of(model);
    const NextItems next = next_items(shard, settings.next_items);
    const double labels = static_cast<double>(shard.labels.size());
    const auto batch = std::make_shared<const Packed>(std::move(shard));
    const Pass pass{static_cast<float>(settings.dropout), batch->seed, settings.bfloat16};
    const Tensor states = model.encoder.forward(batch, pass);
    const Posterior posterior = model.posterior(states, settings.bfloat16);
    Random noise(batch->seed ^ kNoise);
    Tensor queries = model.decode(states, posterior.sample(noise), batch, pass);
    if (!batch->trained.empty()) queries = queries.index_select(0, index_of(batch->trained));
    const Tensor reconstruction = reconstruction_loss(input, queries, model.encoder.item, next, label_weight);
    const Tensor divergence = posterior.divergence();
    const Tensor loss = reconstruction + floored_divergence(divergence, settings.free_bits) *
                                             (input.beta * label_weight * labels);
    VaeOutput output;
    output.loss = loss.item<double>();
    output.reconstruction = reconstruction.item<double>();
    output.divergence = divergence.detach().to(at::kDouble).sum(0);
    output.positions = batch->tokens();
    output.dense = torch::autograd::grad({loss}, model.tensors());
    for (Tensor& gradient : output.dense) gradient = gradient.contiguous();
    if (input.sample) output.items = std::exchange(output.dense[0], Tensor());
    return output;
}

}  // namespace seqrec::trainer
