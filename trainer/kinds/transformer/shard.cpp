#include "kinds/transformer/shard.hpp"

#include <algorithm>
#include <cmath>

#include "indexes.hpp"
#include "kinds/shared/loss.hpp"
#include "kinds/weights.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

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
        for (std::int64_t i = 0; i < input.sampled; ++i) {
            const auto item = static_cast<std::int32_t>(random.below(items));
            if (!input.content.exists() || input.content.trained[static_cast<std::size_t>(item)])
                drawn.push_back(item);
        }
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

Tensor gather(const Tensor& table, const Indexes& rows) {
    const at::NoGradGuard no_gradients;
    return table.index_select(0, index_of(rows));
}

/// Which items keep their own rows in this step, [rows]; a share of those that can stand by their content does not,
/// so that the projection learns to serve items that have nothing else.
Tensor kept_rows(const ShardInput& input, const Indexes* rows, std::uint32_t seed) {
    const Content& content = input.content;
    const auto count = static_cast<std::int64_t>(rows ? rows->size() : content.trained.size());
    Tensor keep = at::ones({count});
    Random random(seed ^ 0x1D5);
    for (std::int64_t r = 0; r < count; ++r) {
        const auto item = static_cast<std::size_t>(rows ? (*rows)[static_cast<std::size_t>(r)] : r);
        const bool drawn = random.uniform() < input.settings.id_dropout;
        if (content.described[item] && (drawn || !content.trained[item])) keep.data_ptr<float>()[r] = 0;
    }
    return keep;
}

/// The items that are candidates where all trained ones are, and the labels' places among them. A soft label that is none of
/// them does not count.
Indexes trained_items(const Content& content, Indexes& labels, SoftLabels& soft) {
    Indexes candidates, places(content.trained.size());
    for (std::size_t i = 0; i < content.trained.size(); ++i) {
        places[i] = static_cast<std::int32_t>(candidates.size());
        if (content.trained[i]) candidates.push_back(static_cast<std::int32_t>(i));
    }
    for (std::int32_t& label : labels) label = places[static_cast<std::size_t>(label)];
    for (std::size_t i = 0; i < soft.items.size(); ++i) {
        const auto item = static_cast<std::size_t>(soft.items[i]);
        if (!content.trained[item]) soft.shares[i] = 0;
        soft.items[i] = content.trained[item] ? places[item] : 0;
    }
    return candidates;
}

/// The items' rows of this step, made of their own and of their content.
Tensor mixed_rows(const ShardInput& input, const Transformer& model, const Indexes* rows,
                  std::uint32_t seed) {
    if (!input.content.exists()) return model.item;
    const at::Device device = model.item.device();
    const Tensor content = rows ? gather(input.content.rows, *rows) : input.content.rows;
    return model.rows(content.to(device), kept_rows(input, rows, seed).to(device), input.settings.bfloat16);
}

}  // namespace

ShardOutput compute_shard(const ShardInput& input, Packed packed, double label_weight) {
    ShardOutput output;
    const Settings& settings = input.settings;
    const at::Device device(settings.device);
    TORCH_CHECK(input.sampled == 0 || packed.soft.each == 0, "soft labels are of all items, not of a sample");
    TORCH_CHECK(std::ssize(packed.soft.items) == std::ssize(packed.labels) * packed.soft.each,
                "soft labels are of other labels");
    std::optional<Sample> sample;
    Transformer model = input.model;
    if (input.sampled > 0) {
        sample.emplace(input, packed);
        model.item = gather(input.model.item, sample->rows);
    }
    const Transformer leaves = leaves_of(model, device);
    model = leaves;
    model.item = mixed_rows(input, leaves, sample ? &sample->rows : nullptr, packed.seed);
    Indexes labels = sample ? sample->labels : packed.labels, candidates;
    if (sample)
        candidates = sample->candidates;
    else if (input.content.exists())
        candidates = trained_items(input.content, labels, packed.soft);
    std::shared_ptr<const Terms> inputs, questions;
    if (input.moments) {
        inputs = input_terms(*input.moments, packed);
        questions = question_terms(*input.moments, packed);
    }
    const auto batch = std::make_shared<const Packed>(std::move(packed));
    const bool has_users = keeps_users(input.users.weight());
    Indexes row_of_sequence;
    if (has_users) output.users.rows = distinct_users(*batch, row_of_sequence);
    const Tensor user_rows = leaf_of(gather(input.users.weight(), output.users.rows), device);

    const Tensor hidden =
        model.forward(batch, {static_cast<float>(settings.dropout), batch->seed, settings.bfloat16}, inputs);
    Tensor wanted = has_users ? add_rows(hidden, user_rows, batch, row_of_sequence) : hidden;
    if (!batch->trained.empty()) wanted = wanted.index_select(0, index_of(batch->trained).to(device));
    if (questions) wanted = wanted + seqrec::trainer::gather({model.asked_moments}, questions, {});
    wanted = unit_rows(wanted);
    const Tensor ranked =
        candidates.empty() ? model.item : model.item.index_select(0, index_of(candidates).to(device));
    const Tensor loss = softmax_loss(
        wanted, unit_rows(ranked), labels, sample ? sample->weights : std::vector<float>(),
        1 / settings.temperature, label_weight, settings.bfloat16, batch->label_weights, batch->soft);

    std::vector<Tensor> trained = Transformer(leaves).tensors();
    if (has_users) trained.push_back(user_rows);
    output.dense = torch::autograd::grad({loss}, trained);
    for (Tensor& gradient : output.dense) gradient = gradient.to(at::kCPU);
    output.loss = loss.item<double>();
    if (has_users) {
        output.users.values = output.dense.back();
        output.dense.pop_back();
    }
    if (sample) output.items = {std::move(sample->rows), std::exchange(output.dense[0], Tensor())};
    return output;
}

}  // namespace seqrec::trainer
