#include "kinds/p5/p5_learner.hpp"

#include <algorithm>

namespace seqrec::trainer {

using at::Tensor;

P5Learner::P5Learner(const Dataset& data, const P5Settings& settings, Stage stage,
                     std::shared_ptr<const UserFeatures> features, const P5State& start, Workers& workers)
    : data_(data),
      settings_(settings),
      stage_(stage),
      scribe_(std::move(features), settings.dim),
      workers_(workers),
      personal_tokens_(stage != Stage::Pretrain) {
    begin_with(start);
}

void P5Learner::begin_with(const P5State& start) {
    P5State copy = copy_of(start);
    network_ = std::move(copy.network);
    personal_.reset();  // two large tables at once need not fit
    personal_.emplace(std::move(copy.personal));
    items_.reset();
    if (samples_items()) items_.emplace(network_.item);
    optimizer_.emplace(dense_weights());
}

bool P5Learner::samples_items() const { return settings_.sampled_items > 0 && stage_ != Stage::Prompt; }

/// The dense optimizer leaves alone what is frozen, and the item matrix when it is updated by rows.
std::vector<Tensor> P5Learner::dense_weights() {
    std::vector<Tensor> weights;
    network_.for_each([&](const std::string& name, Tensor& tensor) {
        weights.push_back(P5Network::is_trained(name, stage_) ? tensor : Tensor());
    });
    if (items_) weights[0] = Tensor();
    return weights;
}

void P5Learner::look_at(Part part) {
    label_share_ = proportions(Sequences(data_, part, nullptr).counts(data_.items()));
}

Effort P5Learner::effort(const std::vector<Question>& validation) const {
    const auto dim = static_cast<double>(settings_.dim), items = static_cast<double>(data_.items());
    const double of_token = 12 * dim * dim * static_cast<double>(settings_.layers);
    double tokens = 0;
    for (const Question& question : validation)
        tokens += static_cast<double>(std::min<std::int64_t>(settings_.max_len, question.at));
    const double ranking = 2 * (tokens * of_token + static_cast<double>(validation.size()) * items * dim);
    const double candidates =
        settings_.sampled_items > 0 ? static_cast<double>(settings_.sampled_items) : items;
    return {ranking, 6 * static_cast<double>(settings_.batch_tokens) * (candidates * dim + of_token)};
}

Outcome P5Learner::gradients(const Lesson& lesson) {
    const P5Input input{network_,         *personal_,   scribe_, settings_,
                        lesson.sequences, label_share_, stage_,  personal_tokens_};
    const std::size_t count = lesson.shards.size();
    std::vector<Reading> readings(count);
    std::vector<std::vector<std::int32_t>> own(count);
    Outcome outcome;
    for (std::size_t s = 0; s < count; ++s) {
        readings[s] = read_shard(input, lesson.shards[s], own[s]);
        outcome.labels += std::ssize(readings[s].labels);
        outcome.flops += 6 * static_cast<double>(readings[s].tokens()) * 12 *
                         static_cast<double>(settings_.dim * settings_.dim * settings_.layers);
    }
    if (outcome.labels == 0) return {};
    outputs_.assign(count, {});
    workers_.run([&](int part) {
        const auto s = static_cast<std::size_t>(part);
        if (s < count && !readings[s].labels.empty())
            outputs_[s] = compute_p5_shard(input, std::move(readings[s]), own[s],
                                           1 / static_cast<double>(outcome.labels));
    });
    for (const P5Output& output : outputs_) outcome.loss += output.loss;
    const double candidates =
        static_cast<double>(settings_.sampled_items > 0 ? settings_.sampled_items : data_.items());
    outcome.flops += 6 * static_cast<double>(outcome.labels * settings_.dim) * candidates;
    return outcome;
}

void P5Learner::apply(const kernels::AdamStep& step, std::int64_t now) {
    std::vector<std::vector<Tensor>> dense;
    std::vector<RowGradient> items, personal;
    for (P5Output& output : outputs_) {
        if (output.dense.empty()) continue;  // a shard without a window
        dense.push_back(std::move(output.dense));
        personal.push_back(std::move(output.personal));
        if (items_) items.push_back(std::move(output.items));
    }
    outputs_.clear();
    optimizer_->apply(dense, step, workers_);
    if (personal_tokens_) personal_->apply(merge(personal, settings_.dim), step, now, workers_);
    if (items_) items_->apply(merge(items, settings_.dim), step, now, workers_);
}

void P5Learner::average(const kernels::AdamStep& step, std::int64_t now) {
    candidate_ = {network_, personal_->weight().clone()};
    if (stage_ != Stage::Pretrain)
        candidate_.personal = personal_tokens_ ? personal_->average(now, step.average_rate)
                                               : at::zeros_like(personal_->weight());
    std::size_t i = 0;
    candidate_.network.for_each([&](const std::string&, Tensor& tensor) {
        const Tensor& average = optimizer_->averages()[i++];
        tensor = average.defined() ? average.clone() : tensor.clone();
    });
    if (items_) candidate_.network.item = items_->average(now, step.average_rate);
}

P5Weights P5Learner::weights_of(const P5State& state) const {
    return {state, scribe_.shared_features(), Probability(settings_)};
}

std::unique_ptr<const Weights> P5Learner::candidate() const {
    const bool alone =
        stage_ == Stage::Pretrain;  // tokens that an earlier model had are there for later stages
    return std::make_unique<const P5Weights>(
        weights_of({candidate_.network, alone ? at::zeros_like(candidate_.personal) : candidate_.personal}));
}

void P5Learner::keep(bool better) {
    if (better) best_ = std::move(candidate_);
    candidate_ = {};
}

void P5Learner::start_from_best() { begin_with(best_); }

double P5Learner::refine(double ndcg, const Rank& rank) {
    if (stage_ == Stage::Pretrain || stage_ != settings_.stages.back()) return ndcg;
    const P5State without{best_.network, at::zeros_like(best_.personal)};
    prompt_use_ = where_prompts_pay(data_, without, scribe_.shared_features(), settings_, workers_, rank);
    if (prompt_use_.whole <= ndcg) return ndcg;
    best_ = without;
    personal_tokens_ = false;
    return prompt_use_.whole;
}

std::vector<NamedTensor> P5Learner::tensors() {
    std::vector<NamedTensor> list;
    const auto add = [&](const std::string& name, Tensor tensor) {
        list.push_back({name, std::move(tensor)});
    };
    network_.for_each(add);
    optimizer_->for_each(add);
    personal_->for_each("personal.", add);
    if (items_) items_->for_each("items.", add);
    return list;
}

std::vector<NamedTensor> P5Learner::best_tensors() {
    std::vector<NamedTensor> list;
    best_.network.for_each([&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); });
    list.push_back({"personal", best_.personal});
    return list;
}

}  // namespace seqrec::trainer
