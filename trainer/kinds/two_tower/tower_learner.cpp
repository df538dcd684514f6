#include "kinds/two_tower/tower_learner.hpp"

#include <algorithm>

#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

Towers copy_of(Towers towers) {
    towers.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.clone(); });
    return towers;
}

/// 0 for items whose id is left out this time, of those whose content is known.
Tensor draw_kept(const ContentRows& content, std::int64_t rows, double rate, Random& random) {
    Tensor keep = at::ones({rows, 1});
    for (std::int64_t i = 0; i < rows && content.exist(); ++i) {
        const bool left_out = random.uniform() < rate;
        if (left_out && content.known.data_ptr<float>()[i] > 0) keep.data_ptr<float>()[i] = 0;
    }
    return keep;
}

}  // namespace

std::unique_ptr<const Weights> weights_of(const TowerPair& pair, const TowerMaterial& material,
                                          Workers& workers) {
    return std::make_unique<const TowerWeights>(pair, item_rows_of(pair, material.content, workers),
                                                material.features);
}

TowerLearner::TowerLearner(const TowerMaterial& material, const TowerSettings& settings, TowerPair start,
                           Workers& workers)
    : material_(material),
      data_(material.data),
      settings_(settings),
      workers_(workers),
      towers_(std::move(start.towers)),
      optimizer_(towers_.tensors()),
      residuals_(std::move(start.residuals)) {}

void TowerLearner::look_at(Part part) {
    catalogue_ = Catalogue(data_, part);
    if (!settings_.all_items) return;
    all_ = all_items(catalogue_);
    const bool every = std::ssize(all_.rows) == data_.items();
    warm_content_ = every ? material_.content : material_.content.at(index_of(all_.rows));
}

Effort TowerLearner::effort(const std::vector<Question>& validation) const {
    const auto dim = static_cast<double>(settings_.dim), items = static_cast<double>(data_.items());
    const auto width = static_cast<double>(material_.content.width()),
               batch = static_cast<double>(settings_.batch);
    const double query = dim * (5 * dim + 3 * static_cast<double>(settings_.hidden));
    const auto asked = static_cast<double>(validation.size());
    const double ranking = 2 * (asked * (items * dim + query) + items * width * dim);
    const double taking_part =
        settings_.all_items ? items : std::min(items, batch + static_cast<double>(settings_.negatives));
    const double step = 6 * (batch * (taking_part * dim + query) + taking_part * width * dim);
    return {ranking, step};
}

/// In three phases: the items' rows, the shards' losses over them, and from the rows back into the item tower.
Outcome TowerLearner::gradients(const Lesson& lesson) {
    std::vector<Packed>& shards = lesson.shards;
    Outcome outcome;
    for (const Packed& shard : shards) outcome.labels += labels_of(shard, *material_.features);
    if (outcome.labels == 0) return outcome;
    const StepItems sampled = settings_.all_items
                                  ? StepItems()
                                  : sampled_items(catalogue_, shards, settings_.negatives, lesson.random);
    const StepItems& items = settings_.all_items ? all_ : sampled;
    const Tensor table = make_rows(items, lesson.random);
    const TowerInput input{towers_, table, items, *material_.features, settings_};
    std::vector<TowerOutput> outputs(shards.size());
    workers_.run([&](int part) {
        const auto p = static_cast<std::size_t>(part);
        if (p < shards.size() && labels_of(shards[p], *material_.features) > 0)
            outputs[p] =
                compute_tower_shard(input, std::move(shards[p]), 1 / static_cast<double>(outcome.labels));
    });
    const Tensor gradient = gather(outputs, outcome.loss);
    residual_gradient_ = {items.rows, go_back(items, gradient)};
    return outcome;
}

/// The item tower over a step's items, a part of them by each worker.
Tensor TowerLearner::make_rows(const StepItems& items, Random& random) {
    const std::int64_t count = std::ssize(items.rows);
    const Tensor index = index_of(items.rows);
    const ContentRows content = settings_.all_items ? warm_content_ : material_.content.at(index);
    const Tensor keep = draw_kept(content, count, settings_.id_dropout, random);
    const Tensor residuals = residuals_.weight().index_select(0, index);
    parts_.assign(static_cast<std::size_t>(workers_.count()), {});
    workers_.run([&](int part) {
        const std::int64_t begin = count * part / workers_.count(),
                           end = count * (part + 1) / workers_.count();
        if (begin < end)
            parts_[static_cast<std::size_t>(part)] =
                ItemPart(towers_, residuals.narrow(0, begin, end - begin), keep.narrow(0, begin, end - begin),
                         content.part(begin, end));
    });
    std::vector<Tensor> rows;
    for (const ItemPart& part : parts_)
        if (part.rows().defined()) rows.push_back(part.rows());
    return at::cat(rows);
}

/// The sums of the shards' losses and of their gradients of the table.
Tensor TowerLearner::gather(std::vector<TowerOutput>& outputs, double& loss) {
    Tensor table;
    dense_.clear();
    for (TowerOutput& output : outputs) {
        if (output.dense.empty()) continue;  // a shard without a label
        loss += output.loss;
        dense_.push_back(std::move(output.dense));
        if (table.defined())
            table.add_(output.table);
        else
            table = output.table;
    }
    return table;
}

/// From the table's gradient to those of the item tower and of the residuals.
Tensor TowerLearner::go_back(const StepItems& items, const Tensor& table) {
    std::vector<std::vector<Tensor>> of_parts(parts_.size());
    std::vector<Tensor> residuals(parts_.size());
    const std::int64_t count = std::ssize(items.rows);
    workers_.run([&](int part) {
        const auto p = static_cast<std::size_t>(part);
        const std::int64_t begin = count * part / workers_.count(),
                           end = count * (part + 1) / workers_.count();
        if (begin < end) residuals[p] = parts_[p].backward(table.narrow(0, begin, end - begin), of_parts[p]);
    });
    parts_.clear();
    std::erase_if(residuals, [](const Tensor& part) { return !part.defined(); });
    for (std::vector<Tensor>& part : of_parts)
        if (!part.empty()) dense_.push_back(std::move(part));
    return at::cat(residuals);
}

void TowerLearner::apply(const kernels::AdamStep& step, std::int64_t now) {
    optimizer_.apply(dense_, step, workers_);
    residuals_.apply(residual_gradient_, step, now, workers_);
    dense_.clear();
    residual_gradient_ = {};
}

void TowerLearner::average(const kernels::AdamStep& step, std::int64_t now) {
    candidate_ = {towers_, residuals_.average(now, step.average_rate)};
    std::size_t i = 0;
    candidate_.towers.for_each(
        [&](const std::string&, Tensor& tensor) { tensor = optimizer_.averages()[i++].clone(); });
}

void TowerLearner::keep(bool better) {
    if (better) best_ = std::move(candidate_);
    candidate_ = {};
}

void TowerLearner::start_from_best() {
    towers_ = copy_of(best_.towers);
    optimizer_ = DenseOptimizer(towers_.tensors());
    residuals_ = RowTable(at::empty({0, settings_.dim}, at::kFloat));  // two large tables need not fit
    residuals_ = RowTable(best_.residuals.clone());
}

void TowerLearner::begin_refit(Random& random) {
    best_.residuals = best_.residuals.clone();  // those that were measured stay
    for (const std::int32_t item : catalogue_.warm) {
        const std::span row(best_.residuals.data_ptr<float>() + item * settings_.dim,
                            static_cast<std::size_t>(settings_.dim));
        if (std::ranges::any_of(row, [](float x) { return x != 0; })) continue;
        for (float& x : row) x = kFreshNumbers * static_cast<float>(2 * random.uniform() - 1);
    }
}

std::vector<NamedTensor> TowerLearner::tensors() {
    std::vector<NamedTensor> list;
    const auto add = [&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); };
    towers_.for_each(add);
    optimizer_.for_each(add);
    residuals_.for_each("residuals.", add);
    return list;
}

std::vector<NamedTensor> TowerLearner::best_tensors() {
    std::vector<NamedTensor> list;
    best_.towers.for_each([&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); });
    list.push_back({"residuals", best_.residuals});
    return list;
}

}  // namespace seqrec::trainer
