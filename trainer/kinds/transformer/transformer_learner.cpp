#include "kinds/transformer/transformer_learner.hpp"

#include <algorithm>

namespace seqrec::trainer {
namespace {

using at::Tensor;

/// Multiplications and additions of the matrix products of one step, forward and backward.
double step_flops(const Settings& settings, std::span<const Window> windows, double candidates) {
    const auto dim = static_cast<double>(settings.dim), layers = static_cast<double>(settings.layers);
    double tokens = 0, pairs = 0;
    for (const Window& window : windows) {
        const double length = window.end - window.begin;
        tokens += length;
        pairs += length * length / 2;
    }
    return 6 * tokens * dim * (candidates + 12 * dim * layers) + 12 * pairs * dim * layers;
}

/// How often each item may be a label.
std::vector<std::int64_t> label_counts(const Dataset& data, Part part, const std::vector<float>& weights) {
    const Sequences sequences(data, part, nullptr);
    if (weights.empty()) return sequences.counts(data.items());
    std::vector<std::int64_t> counts(static_cast<std::size_t>(data.items()));
    for (std::int64_t u = 0; u < sequences.users(); ++u)
        for (std::size_t i = 0; i < sequences.of(u).size(); ++i)
            counts[static_cast<std::size_t>(sequences.of(u)[i])] +=
                weights[static_cast<std::size_t>(sequences.places(u)[i])] > 0;
    return counts;
}

/// The dense optimizer leaves the item matrix alone when it is updated by rows.
std::vector<Tensor> dense_weights(Transformer& model, bool sampled) {
    std::vector<Tensor> weights = model.tensors();
    if (sampled) weights[0] = Tensor();
    return weights;
}

}  // namespace

const Moments TransformerLearner::kNoMoments{};

TransformerLearner::TransformerLearner(const Dataset& data, const Settings& settings, Tensor content,
                                       Member start, Workers& workers, const Moments& moments)
    : data_(data),
      settings_(settings),
      moments_(moments),
      weights_(label_weights(data)),
      workers_(workers),
      model_(std::move(start.network)),
      optimizer_(dense_weights(model_, settings.sampled_items > 0)),
      users_(std::move(start.users)),
      content_{std::move(content)} {
    if (settings.sampled_items > 0) items_.emplace(model_.item);
}

void TransformerLearner::look_at(Part part) {
    label_share_ = proportions(label_counts(data_, part, weights_));
    content_ = content_of(content_.rows, data_, part,
                          rehearsal_ ? rehearsal_->said() : std::span<const std::int32_t>());
}

Effort TransformerLearner::effort(const std::vector<Question>& validation) const {
    const auto dim = static_cast<double>(settings_.dim), items = static_cast<double>(data_.items());
    double tokens = 0;
    for (const Question& question : validation)
        tokens += static_cast<double>(std::min<std::int64_t>(
            settings_.max_len, static_cast<std::int64_t>(data_.sequence(question.user).size())));
    const double per_layer = 12 * dim * dim;
    const double ranking = 2 * (tokens * per_layer * static_cast<double>(settings_.layers) +
                                static_cast<double>(validation.size()) * items * dim);
    const double candidates =
        settings_.sampled_items > 0 ? static_cast<double>(settings_.sampled_items) : items;
    const double step = 6 * static_cast<double>(settings_.batch_tokens) *
                        (candidates * dim + per_layer * static_cast<double>(settings_.layers));
    return {ranking, step};
}

Outcome TransformerLearner::gradients(const Lesson& lesson) {
    std::vector<Packed>& shards = lesson.shards;
    if (rehearsal_) rehearsal_->extend(shards, lesson.random);
    Outcome outcome;
    double weight = 0;
    for (Packed& shard : shards) {
        weigh_labels(shard, weights_);
        if (teacher_) teacher_->soften(shard);  // of the labels that are left
        outcome.labels += static_cast<std::int64_t>(shard.labels.size());
        for (const float one : shard.label_weights) weight += static_cast<double>(one);
    }
    if (outcome.labels == 0) return outcome;
    if (weights_.empty()) weight = static_cast<double>(outcome.labels);
    const ShardInput input{model_,
                           users_,
                           settings_,
                           label_share_,
                           settings_.sampled_items,
                           content_,
                           moments_.exists() ? &moments_ : nullptr};
    outputs_.assign(shards.size(), {});
    workers_.run([&](int part) {
        const auto p = static_cast<std::size_t>(part);
        if (p < shards.size() && !shards[p].labels.empty())
            outputs_[p] = compute_shard(input, std::move(shards[p]), 1 / weight);
    });
    const double candidates = static_cast<double>(items_ ? outputs_[0].items.rows.size() : data_.items());
    outcome.flops = step_flops(settings_, lesson.windows, candidates);
    for (const ShardOutput& output : outputs_) outcome.loss += output.loss;
    return outcome;
}

/// One optimizer step with the sum of the shards' gradients.
void TransformerLearner::apply(const kernels::AdamStep& step, std::int64_t now) {
    std::vector<std::vector<Tensor>> dense;
    std::vector<RowGradient> items, users;
    for (ShardOutput& output : outputs_) {
        if (output.dense.empty()) continue;  // a shard without a window
        dense.push_back(std::move(output.dense));
        users.push_back(std::move(output.users));
        if (items_) items.push_back(std::move(output.items));
    }
    outputs_.clear();
    optimizer_.apply(dense, step, workers_);
    users_.apply(merge(users, settings_.dim), step, now, workers_);
    if (items_) items_->apply(merge(items, settings_.dim), step, now, workers_);
}

void TransformerLearner::average(const kernels::AdamStep& step, std::int64_t now) {
    Member member{model_, users_.average(now, step.average_rate)};
    if (user_scale_ != 1) member.users = member.users * user_scale_;
    std::size_t i = 0;
    member.network.for_each([&](const std::string&, Tensor& tensor) {
        const Tensor& average = optimizer_.averages()[i++];
        tensor = average.defined() ? average.clone() : items_->average(now, step.average_rate);
    });
    candidate_ = whole(std::move(member));
}

/// With the items' rows as they are served, of their own and of content.
Member TransformerLearner::whole(Member member) const {
    if (!content_.exists()) return member;
    member.own = member.network.item;
    Tensor keep = at::ones({member.own.size(0)});
    for (std::size_t i = 0; i < content_.trained.size(); ++i)
        if (content_.described[i] && !content_.trained[i]) keep.data_ptr<float>()[i] = 0;
    const at::NoGradGuard no_gradients;
    member.own = member.own * keep.unsqueeze(1);
    member.network.item = member.network.rows(content_.rows, keep, false);
    return member;
}

std::unique_ptr<const Weights> TransformerLearner::candidate() const {
    return std::make_unique<const TransformerWeights>(Members{candidate_});
}

void TransformerLearner::keep(bool better) {
    if (better) best_ = std::move(candidate_);
    candidate_ = {};
}

void TransformerLearner::start_from_best() {
    model_ = best_.network;
    if (best_.own.defined()) model_.item = best_.own;
    model_.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.clone(); });
    optimizer_ = DenseOptimizer(dense_weights(model_, items_.has_value()));
    if (items_) items_.emplace(model_.item);
    users_ = RowTable(at::empty({0, settings_.dim}, at::kFloat));  // two large tables at once need not fit
    users_ = RowTable(best_.users.clone());
}

double TransformerLearner::refine(double ndcg, const Rank& rank) {
    best_users_ = best_.users;
    clicks_only_ = ndcg;
    if (!keeps_users(best_users_)) return ndcg;
    for (const double scale : {0.0, 0.5}) {
        const Member trial{best_.network, best_users_ * scale, best_.own};
        const double scaled = rank(TransformerWeights({trial}));
        if (scale == 0) clicks_only_ = scaled;
        if (scaled <= ndcg) continue;
        ndcg = scaled;
        best_.users = trial.users;
        user_scale_ = scale;
    }
    return ndcg;
}

/// Users' vectors go on from what they were before they were scaled.
void TransformerLearner::begin_refit(Random&) {
    if (best_users_.defined()) best_.users = best_users_;
}

nlohmann::json TransformerLearner::metrics() const {
    return {{"user_scale", user_scale_}, {"valid_ndcg@10_clicks_only", clicks_only_}};
}

std::vector<NamedTensor> TransformerLearner::tensors() {
    std::vector<NamedTensor> list;
    const auto add = [&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); };
    model_.for_each(add);
    optimizer_.for_each(add);
    users_.for_each("users.", add);
    if (items_) items_->for_each("items.", add);
    return list;
}

std::vector<NamedTensor> TransformerLearner::best_tensors() {
    std::vector<NamedTensor> list;
    best_.network.for_each([&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); });
    list.push_back({"users", best_.users});
    if (best_.own.defined()) list.push_back({"own", best_.own});
    return list;
}

}  // namespace seqrec::trainer
