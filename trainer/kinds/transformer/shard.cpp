#include "kinds/transformer/shard.hpp"

#include <algorithm>
#include <cmath>

#include "kinds/shared/loss.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using Indexes = std::vector<std::int32_t>;

void sort_unique(Indexes& rows) {
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
}

std::int32_t place_of(const Indexes& rows, std::int32_t value) {
    return static_cast<std::int32_t>(std::lower_bound(rows.begin(), rows.end(), value) - rows.begin());
}

/// A tensor with its own autograd state, over the same memory where that is the device's.
Tensor leaf_of(const Tensor& tensor, at::Device device) {
    return tensor.detach().to(device).requires_grad_();
}

/// The model in leaf tensors, so that shards share no autograd state.
Transformer leaves_of(const Transformer& model, at::Device device) {
    Transformer copy = model;
    copy.for_each([&](const std::string&, Tensor& tensor) { tensor = leaf_of(tensor, device); });
    return copy;
}

/// The distinct users of a batch; `row_of_sequence` becomes each sequence's place among them, or -1.
Indexes distinct_users(const Packed& batch, Indexes& row_of_sequence) {
    Indexes users;
    for (const std::int32_t user : batch.users)
        if (user >= 0) users.push_back(user);
    sort_unique(users);
    for (const std::int32_t user : batch.users)
        row_of_sequence.push_back(user < 0 ? -1 : place_of(users, user));
    return users;
}

/// The items that a sampled step touches. Candidates of the softmax are the shard's labels and uniform draws;
/// an item is among them with probability 1 - (1 - share)^labels (1 - 1 / items)^draws.
struct Sample {
    Indexes rows;        // candidates and inputs, ascending
    Indexes candidates;  // ascending places among `rows`
    std::vector<float> weights;
    Indexes labels;  // places among `candidates`

    Sample(const ShardInput& input, Packed& batch) {
        const auto items = static_cast<std::uint64_t>(input.label_share.size());
        Random random(batch.seed);
        Indexes drawn = batch.labels;
        for (std::int64_t i = 0; i < input.sampled; ++i)
            drawn.push_back(static_cast<std::int32_t>(random.below(items)));
        sort_unique(drawn);
        rows = drawn;
        rows.insert(rows.end(), batch.items.begin(), batch.items.end());
        sort_unique(rows);
        const double labels_drawn = static_cast<double>(batch.labels.size());
        const double missed =
            static_cast<double>(input.sampled) * std::log1p(-1.0 / static_cast<double>(items));
        for (const std::int32_t item : drawn) {
            const double share = std::min(0.999999, static_cast<double>(input.label_share[item]));
            const double absent = std::exp(labels_drawn * std::log1p(-share) + missed);
            candidates.push_back(place_of(rows, item));
            weights.push_back(static_cast<float>(1 / (1 - absent)));
        }
        for (const std::int32_t label : batch.labels) labels.push_back(place_of(drawn, label));
        for (std::int32_t& item : batch.items) item = place_of(rows, item);
    }
};

Tensor index_of(const Indexes& rows) {
    Tensor index = at::empty({static_cast<std::int64_t>(rows.size())}, at::kLong);
    std::copy(rows.begin(), rows.end(), index.data_ptr<std::int64_t>());
    return index;
}

Tensor gather(const Tensor& table, const Indexes& rows) {
    const at::NoGradGuard no_gradients;
    return table.index_select(0, index_of(rows));
}

}  // namespace

ShardOutput compute_shard(const ShardInput& input, Packed packed, double label_weight) {
    ShardOutput output;
    const Settings& settings = input.settings;
    const at::Device device(settings.device);
    std::optional<Sample> sample;
    Transformer model = input.model;
    if (input.sampled > 0) {
        sample.emplace(input, packed);
        model.item = gather(input.model.item, sample->rows);
    }
    model = leaves_of(model, device);
    const auto batch = std::make_shared<const Packed>(std::move(packed));
    Indexes row_of_sequence;
    output.users.rows = distinct_users(*batch, row_of_sequence);
    const Tensor user_rows = leaf_of(gather(input.users.weight(), output.users.rows), device);

    const Tensor hidden =
        model.forward(batch, {static_cast<float>(settings.dropout), batch->seed, settings.bfloat16});
    Tensor wanted = add_rows(hidden, user_rows, batch, row_of_sequence);
    if (!batch->trained.empty()) wanted = wanted.index_select(0, index_of(batch->trained).to(device));
    wanted = unit_rows(wanted);
    const Tensor candidates =
        sample ? model.item.index_select(0, index_of(sample->candidates).to(device)) : model.item;
    const Tensor loss = softmax_loss(wanted, unit_rows(candidates), sample ? sample->labels : batch->labels,
                                     sample ? sample->weights : std::vector<float>(),
                                     1 / settings.temperature, label_weight, settings.bfloat16);

    std::vector<Tensor> leaves = model.tensors();
    leaves.push_back(user_rows);
    output.dense = torch::autograd::grad({loss}, leaves);
    for (Tensor& gradient : output.dense) gradient = gradient.to(at::kCPU);
    output.loss = loss.item<double>();
    output.users.values = output.dense.back();
    output.dense.pop_back();
    if (sample) output.items = {std::move(sample->rows), std::exchange(output.dense[0], Tensor())};
    return output;
}

}  // namespace seqrec::trainer
