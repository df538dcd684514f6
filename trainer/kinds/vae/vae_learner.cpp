#include "kinds/vae/vae_learner.hpp"

#include <algorithm>

#include "kinds/vae/active_units.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

/// The dense optimizer leaves the item matrix alone when it is updated by rows.
std::vector<Tensor> dense_weights(Vae& model, bool sampled) {
    std::vector<Tensor> weights = model.tensors();
    if (sampled) weights[0] = Tensor();
    return weights;
}

/// Weights of a position's products: the encoder's blocks, latent variables, attention and decoder.
double weights_of_position(const VaeSettings& settings) {
    const auto dim = static_cast<double>(settings.dim), latent = static_cast<double>(settings.latent);
    const double input = settings.attention ? 2 * latent : latent;
    const double attention = settings.attention ? 2 * dim * dim : 0;
    return dim * (12 * dim * static_cast<double>(settings.layers) + 2 * latent + 5 * input + 4 * dim) +
           attention;
}

double sum_of_lengths(std::span<const Window> windows) {
    double tokens = 0;
    for (const Window& window : windows) tokens += window.end - window.begin;
    return tokens;
}

}  // namespace

VaeLearner::VaeLearner(const Dataset& data, const VaeSettings& settings, Vae start, Workers& workers)
    : data_(data),
      settings_(settings),
      workers_(workers),
      model_(std::move(start)),
      optimizer_(dense_weights(model_, settings.sampled_items > 0)) {
    if (settings.sampled_items > 0) items_.emplace(model_.encoder.item);
}

void VaeLearner::look_at(Part part) {
    if (items_) catalogue_ = Catalogue(data_, part);
}

Effort VaeLearner::effort(const std::vector<Question>& validation) const {
    const auto dim = static_cast<double>(settings_.dim), items = static_cast<double>(data_.items());
    double tokens = 0;
    for (const Question& question : validation)
        tokens += static_cast<double>(std::min<std::int64_t>(
            settings_.max_len, static_cast<std::int64_t>(data_.sequence(question.user).size())));
    const double position = weights_of_position(settings_);
    const double candidates = items_ ? static_cast<double>(settings_.sampled_items) : items;
    return {2 * (tokens * position + static_cast<double>(validation.size()) * items * dim),
            6 * static_cast<double>(settings_.batch_tokens) * (candidates * dim + position)};
}

Outcome VaeLearner::gradients(const Lesson& lesson) {
    std::vector<Packed>& shards = lesson.shards;
    Outcome outcome;
    for (const Packed& shard : shards) outcome.labels += std::ssize(shard.labels);
    if (outcome.labels == 0) return outcome;
    beta_ = settings_.beta_at(lesson.share_done);
    const StepItems sample =
        items_ ? sampled_items(catalogue_, shards, settings_.sampled_items, lesson.random) : StepItems();
    const VaeInput input{model_, items_ ? &sample : nullptr, settings_, beta_};
    std::vector<VaeOutput> outputs(shards.size());
    workers_.run([&](int part) {
        const auto p = static_cast<std::size_t>(part);
        if (p < shards.size() && !shards[p].labels.empty())
            outputs[p] =
                compute_vae_shard(input, std::move(shards[p]), 1 / static_cast<double>(outcome.labels));
    });
    dense_.clear();
    std::vector<RowGradient> rows;
    for (VaeOutput& output : outputs) {
        if (output.dense.empty()) continue;  // a shard without a label
        outcome.loss += output.loss;
        dense_.push_back(std::move(output.dense));
        if (items_) rows.push_back({sample.rows, output.items});
    }
    if (items_) item_gradient_ = merge(rows, settings_.dim);
    count(outputs);
    const double candidates = static_cast<double>(items_ ? sample.rows.size() : data_.items());
    outcome.flops = 6 * sum_of_lengths(lesson.windows) *
                    (candidates * static_cast<double>(settings_.dim) + weights_of_position(settings_));
    return outcome;
}

void VaeLearner::count(const std::vector<VaeOutput>& outputs) {
    if (!sums_.divergence.defined()) sums_.divergence = at::zeros({settings_.latent}, at::kDouble);
    ++sums_.steps;
    for (const VaeOutput& output : outputs) {
        if (output.positions == 0) continue;
        sums_.reconstruction += output.reconstruction;
        sums_.divergence += output.divergence;
        sums_.positions += static_cast<double>(output.positions);
    }
}

nlohmann::json VaeLearner::numbers() {
    const Sums sums = std::exchange(sums_, {});
    if (sums.steps == 0) return nlohmann::json::object();
    const Tensor divergence = sums.divergence / std::max(sums.positions, 1.0);
    return {{"reconstruction", sums.reconstruction / sums.steps},
            {"kl", divergence.sum().item<double>()},
            {"active_units", active_units(divergence)},
            {"beta", beta_}};
}

void VaeLearner::apply(const kernels::AdamStep& step, std::int64_t now) {
    optimizer_.apply(dense_, step, workers_);
    if (items_) items_->apply(item_gradient_, step, now, workers_);
    dense_.clear();
    item_gradient_ = {};
}

void VaeLearner::average(const kernels::AdamStep& step, std::int64_t now) {
    candidate_ = model_;
    std::size_t i = 0;
    candidate_.for_each([&](const std::string&, Tensor& tensor) {
        const Tensor& average = optimizer_.averages()[i++];
        tensor = average.defined() ? average.clone() : items_->average(now, step.average_rate);
    });
}

std::unique_ptr<const Weights> VaeLearner::candidate() const {
    return std::make_unique<const VaeWeights>(candidate_, data_.users());
}

void VaeLearner::keep(bool better) {
    if (better) best_ = std::move(candidate_);
    candidate_ = {};
}

void VaeLearner::start_from_best() {
    model_ = best_;
    model_.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.clone(); });
    optimizer_ = DenseOptimizer(dense_weights(model_, items_.has_value()));
    if (items_) items_.emplace(model_.encoder.item);
}

std::vector<NamedTensor> VaeLearner::tensors() {
    std::vector<NamedTensor> list;
    const auto add = [&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); };
    model_.for_each(add);
    optimizer_.for_each(add);
    if (items_) items_->for_each("items.", add);
    return list;
}

std::vector<NamedTensor> VaeLearner::best_tensors() {
    std::vector<NamedTensor> list;
    best_.for_each([&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); });
    return list;
}

}  // namespace seqrec::trainer
