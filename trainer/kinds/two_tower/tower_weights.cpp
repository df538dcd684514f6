#include "kinds/two_tower/tower_weights.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/kinds/two_tower.hpp"
#include "kinds/shared/batches.hpp"
#include "kinds/shared/cold_shift.hpp"
#include "run/earlier_model.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr const char* kFresh = "id.fresh";
constexpr std::int64_t kRows = 4096;  // of items computed at a time

/// Rows [first, last) of all items, some at a time.
void fill_rows(const TowerPair& pair, const ContentRows& content, std::int64_t first, std::int64_t last,
               const Tensor& rows) {
    const at::NoGradGuard no_gradients;
    for (std::int64_t begin = first, end = 0; begin < last; begin = end) {
        end = std::min(last, begin + kRows);
        rows.narrow(0, begin, end - begin)
            .copy_(pair.towers.items(pair.residuals.narrow(0, begin, end - begin), content.part(begin, end)));
    }
}

/// What the user tower does not read.
void check_item_tower(const SafetensorsFile& file, std::int64_t items, std::int64_t dim) {
    const auto check = [&](const char* name, const Shape& shape) {
        if (file.contains(name)) check_finite(file.get<float>(name, shape), name);
    };
    check_finite(file.get<float>("id.residual", {items, dim}), "id.residual");
    check(kFresh, {dim});
    check("content.weight", {dim, -1});
    check("content.bias", {dim});
    if (!file.contains("content.wide.weight")) return;
    const std::int64_t hidden = file.tensor("content.weight").shape.at(1);
    check("content.wide.weight", {hidden, -1});
    check("content.wide.bias", {hidden});
}

}  // namespace

TowerPair with_fresh_residuals(TowerPair pair, const ContentRows& content,
                               const std::vector<std::int32_t>& had, const Tensor& mean_query, double share) {
    const at::NoGradGuard no_gradients;
    pair.fresh = stand_in(mean_query, pair.towers.said(content), share);
    pair.residuals = pair.residuals.clone();  // those that were trained stay
    for (std::int64_t i = 0; i < pair.residuals.size(0); ++i) {
        const bool described = content.known.data_ptr<float>()[i] > 0;
        if (described && !std::ranges::binary_search(had, static_cast<std::int32_t>(i)))
            pair.residuals[i].copy_(pair.fresh);
    }
    return pair;
}

Tensor item_rows_of(const TowerPair& pair, const ContentRows& content, Workers& workers) {
    Tensor rows = at::empty_like(pair.residuals);
    workers.split(rows.size(0), [&](std::int64_t first, std::int64_t last) {
        fill_rows(pair, content, first, last, rows);
    });
    return rows;
}

TowerWeights::TowerWeights(TowerPair pair, Tensor rows, std::shared_ptr<const UserFeatures> features)
    : pair_(std::move(pair)),
      rows_(std::move(rows)),
      features_(std::move(features)),
      users_(features_->users()) {
    look();
}

TowerWeights::TowerWeights(const SafetensorsFile& file)
    : rows_(read_tensor(file, "item.embedding")), users_(file.tensor("user.embedding").shape.at(0)) {
    const TwoTowerEncoder checked(file);  // every shape that serving reads
    check_item_tower(file, rows_.size(0), checked.dim());
    pair_ = {Towers(file), read_tensor(file, "id.residual"), {}};
    if (file.contains(kFresh)) pair_.fresh = read_tensor(file, kFresh);
    features_ = std::make_shared<const UserFeatures>(file);
    look();
}

TowerWeights TowerWeights::over(const std::vector<std::int32_t>& rows, const Tensor& content) const {
    const Towers& towers = pair_.towers;
    const Tensor& first =
        towers.content_wide_weight.defined() ? towers.content_wide_weight : towers.content_weight;
    if ((first.defined() ? first.size(1) : 0) != (content.defined() ? content.size(1) : 0))
        throw Error(sqlstate::kInvalidParameter,
                    "the model knows other things of its items than are there now", "Train the model again.");
    TowerPair pair{towers, at::zeros({std::ssize(rows), towers.dim()}), pair_.fresh};
    take_rows(pair.residuals, pair_.residuals, rows);
    const ContentRows known = content.defined() ? ContentRows(content) : ContentRows();
    for (std::size_t i = 0; i < rows.size() && pair.fresh.defined() && known.exist(); ++i)
        if (rows[i] < 0 && known.known.data_ptr<float>()[i] > 0)
            pair.residuals[static_cast<std::int64_t>(i)].copy_(pair.fresh);
    Tensor vectors = at::empty_like(pair.residuals);
    fill_rows(pair, known, 0, std::ssize(rows), vectors);
    return {std::move(pair), std::move(vectors), features_};
}

void TowerWeights::look() {
    const Tensor lengths = rows_.abs().amax(1);
    for (std::int64_t i = 0; i < rows_.size(0); ++i) empty_.push_back(lengths.data_ptr<float>()[i] == 0);
}

Tensor TowerWeights::encode(const Histories& histories, const std::vector<std::int32_t>& users) const {
    const at::NoGradGuard no_gradients;
    Tensor result = at::zeros({static_cast<std::int64_t>(histories.size()), pair_.towers.dim()});
    const auto longest = static_cast<std::size_t>(pair_.towers.relative.size(1));
    for (std::size_t begin = 0, end = 0; begin < histories.size(); begin = end) {
        std::int64_t tokens = 0;
        while (end < histories.size() && tokens < kEncodedTokens)
            tokens += 1 + static_cast<std::int64_t>(std::min(histories[end++].size(), longest));
        encode_part(histories, users, begin, end, result);
    }
    return result;
}

/// Users [begin, end) of the lists into their rows of `result`; those of whom nothing is known keep zeros.
void TowerWeights::encode_part(const Histories& histories, const std::vector<std::int32_t>& users,
                               std::size_t begin, std::size_t end, const Tensor& result) const {
    const auto longest = static_cast<std::size_t>(pair_.towers.relative.size(1));
    auto batch = std::make_shared<Packed>();
    std::vector<std::int64_t> answered, clicked, last;
    std::vector<std::span<const QueryFeature>> features;
    for (std::size_t i = begin; i < end; ++i) {
        std::vector<std::int32_t> clicks;
        for (const std::int32_t click : histories[i].last(std::min(histories[i].size(), longest)))
            if (!empty_[static_cast<std::size_t>(click)]) clicks.push_back(click);
        const bool known = users[i] >= 0 && features_->knows(users[i]);
        if (clicks.empty() && !known) continue;
        if (!clicks.empty()) {
            batch->append(clicks, users[i]);
            clicked.push_back(static_cast<std::int64_t>(answered.size()));
            last.push_back(batch->tokens() - 1);
        }
        answered.push_back(static_cast<std::int64_t>(i));
        features.push_back(users[i] >= 0 ? features_->of(users[i]) : std::span<const QueryFeature>());
    }
    if (answered.empty()) return;
    Tensor seen = at::zeros({static_cast<std::int64_t>(answered.size()), 2 * pair_.towers.dim()});
    if (!last.empty())
        seen.index_copy_(0, index_of(clicked),
                         pair_.towers.look(batch, rows_, {}).index_select(0, index_of(last)));
    const auto add = [](const Tensor& hidden, const Tensor& rows) { return hidden + rows; };
    result.index_copy_(0, index_of(answered),
                       pair_.towers.answer(seen, pair_.towers.sums(features), add, {}));
}

std::vector<NamedTensor> TowerWeights::tensors() const {
    std::vector<NamedTensor> all = {{"id.residual", pair_.residuals}};
    if (pair_.fresh.defined()) all.push_back({kFresh, pair_.fresh});
    Towers towers = pair_.towers;  // shares its tensors
    towers.for_each([&](const std::string& name, Tensor& tensor) { all.push_back({name, tensor}); });
    for (NamedTensor& tensor : features_->tensors()) all.push_back(std::move(tensor));
    return all;
}

}  // namespace seqrec::trainer
