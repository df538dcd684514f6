#include "kinds/shared/optimizer.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/step_kernels.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr float kBeta1 = 0.9f, kBeta2 = 0.98f, kEpsilon = 1e-8f;
constexpr std::int64_t kPiece = 1 << 15;  // weights that one thread updates at a time

}  // namespace

kernels::AdamStep Schedule::next(double share) {
    ++step_;
    const auto t = static_cast<double>(step_);
    const double warm = std::min(1.0, t / static_cast<double>(warm_up_)) * share;
    const double keep = std::min(average_, (1 + t) / (10 + t));
    return {.learning_rate = static_cast<float>(learning_rate_ * warm),
            .beta1 = kBeta1,
            .beta2 = kBeta2,
            .epsilon = kEpsilon,
            .weight_decay = static_cast<float>(weight_decay_),
            .correction1 = static_cast<float>(1 / (1 - std::pow(kBeta1, t))),
            .correction2 = static_cast<float>(1 / (1 - std::pow(kBeta2, t))),
            .gradient_scale = 1,
            .average_rate = static_cast<float>(1 - keep)};
}

DenseOptimizer::DenseOptimizer(std::vector<Tensor> weights) : weights_(std::move(weights)) {
    for (std::size_t i = 0; i < weights_.size(); ++i) {
        if (!weights_[i].defined()) {
            for (auto* list : {&moments1_, &moments2_, &averages_}) list->emplace_back();
            continue;
        }
        moments1_.push_back(at::zeros_like(weights_[i]));
        moments2_.push_back(at::zeros_like(weights_[i]));
        averages_.push_back(weights_[i].clone());
        for (std::int64_t begin = 0; begin < weights_[i].numel(); begin += kPiece)
            pieces_.push_back({i, begin, std::min(begin + kPiece, weights_[i].numel())});
    }
}

void DenseOptimizer::apply(const std::vector<std::vector<Tensor>>& gradients, const kernels::AdamStep& step,
                           Workers& workers) {
    workers.split(static_cast<std::int64_t>(pieces_.size()), [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t p = first; p < last; ++p) {
            const auto [tensor, begin, end] = pieces_[static_cast<std::size_t>(p)];
            float* total = gradients[0][tensor].data_ptr<float>() + begin;
            for (std::size_t shard = 1; shard < gradients.size(); ++shard)
                k().axpy(gradients[shard][tensor].data_ptr<float>() + begin, total, end - begin, 1);
            k().adam(weights_[tensor].data_ptr<float>() + begin, total,
                     moments1_[tensor].data_ptr<float>() + begin, moments2_[tensor].data_ptr<float>() + begin,
                     averages_[tensor].data_ptr<float>() + begin, end - begin, step);
        }
    });
}

RowGradient merge(const std::vector<RowGradient>& parts, std::int64_t dim) {
    RowGradient total;
    for (const RowGradient& part : parts)
        total.rows.insert(total.rows.end(), part.rows.begin(), part.rows.end());
    std::sort(total.rows.begin(), total.rows.end());
    total.rows.erase(std::unique(total.rows.begin(), total.rows.end()), total.rows.end());
    total.values = at::zeros({static_cast<std::int64_t>(total.rows.size()), dim}, at::kFloat);
    for (const RowGradient& part : parts) {
        auto at = total.rows.begin();
        for (std::size_t r = 0; r < part.rows.size(); ++r) {
            at = std::lower_bound(at, total.rows.end(), part.rows[r]);
            k().axpy(part.values.data_ptr<float>() + static_cast<std::int64_t>(r) * dim,
                     total.values.data_ptr<float>() + (at - total.rows.begin()) * dim, dim, 1);
        }
    }
    return total;
}

RowTable::RowTable(Tensor weight)
    : weight_(std::move(weight)),
      moment1_(at::zeros_like(weight_)),
      moment2_(at::zeros_like(weight_)),
      average_(weight_.clone()),
      touched_(at::zeros({weight_.size(0)}, at::kInt)) {}

void RowTable::apply(const RowGradient& gradient, const kernels::AdamStep& step, std::int64_t now,
                     Workers& workers) {
    const std::int64_t dim = weight_.size(1);
    const auto update = [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t row = gradient.rows[static_cast<std::size_t>(r)], at = row * dim;
            catch_up(row, step, now);
            k().adam(weight_.data_ptr<float>() + at, gradient.values.data_ptr<float>() + r * dim,
                     moment1_.data_ptr<float>() + at, moment2_.data_ptr<float>() + at,
                     average_.data_ptr<float>() + at, dim, step);
        }
    };
    workers.split(static_cast<std::int64_t>(gradient.rows.size()), update);
}

/// Makes up for the steps between the one that last touched a row and the one before `now`.
void RowTable::catch_up(std::int64_t row, const kernels::AdamStep& step, std::int64_t now) {
    const std::int64_t dim = weight_.size(1), at = row * dim;
    std::int32_t& touched = touched_.data_ptr<std::int32_t>()[row];
    const auto missed = static_cast<float>(now - 1 - touched);
    touched = static_cast<std::int32_t>(now);
    if (missed <= 0) return;
    float *weight = weight_.data_ptr<float>() + at, *average = average_.data_ptr<float>() + at;
    float *moment1 = moment1_.data_ptr<float>() + at, *moment2 = moment2_.data_ptr<float>() + at;
    const float fade1 = std::pow(kBeta1, missed), fade2 = std::pow(kBeta2, missed);
    const float decay = std::pow(1 - step.learning_rate * step.weight_decay, missed);
    const float approach = 1 - std::pow(1 - step.average_rate, missed);
    for (std::int64_t d = 0; d < dim; ++d) {
        moment1[d] *= fade1;
        moment2[d] *= fade2;
        average[d] += approach * (weight[d] - average[d]);
        weight[d] *= decay;
    }
}

Tensor RowTable::average(std::int64_t now, float rate) const {
    Tensor result = average_.clone();
    const std::int64_t rows = weight_.size(0), dim = weight_.size(1);
    for (std::int64_t row = 0; row < rows; ++row) {
        const auto missed = static_cast<float>(now - touched_.data_ptr<std::int32_t>()[row]);
        const float approach = 1 - std::pow(1 - rate, missed);
        float* average = result.data_ptr<float>() + row * dim;
        const float* weight = weight_.data_ptr<float>() + row * dim;
        for (std::int64_t d = 0; d < dim; ++d) average[d] += approach * (weight[d] - average[d]);
    }
    return result;
}

}  // namespace seqrec::trainer
