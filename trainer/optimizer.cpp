#include "optimizer.hpp"

#include <algorithm>
#include <cmath>

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr float kBeta1 = 0.9f, kBeta2 = 0.98f, kEpsilon = 1e-8f;
constexpr std::int64_t kWarmUp = 100;     // steps until the learning rate is reached
constexpr std::int64_t kPiece = 1 << 15;  // weights that one thread updates at a time

const kernels::Table& k() { return kernels::table(); }

}  // namespace

kernels::AdamStep Schedule::next() {
    ++step_;
    const auto t = static_cast<double>(step_);
    const double warm = std::min(1.0, t / kWarmUp);
    const double keep = std::min(settings_.average, (1 + t) / (10 + t));
    return {.learning_rate = static_cast<float>(settings_.learning_rate * warm),
            .beta1 = kBeta1,
            .beta2 = kBeta2,
            .epsilon = kEpsilon,
            .weight_decay = static_cast<float>(settings_.weight_decay),
            .correction1 = static_cast<float>(1 / (1 - std::pow(kBeta1, t))),
            .correction2 = static_cast<float>(1 / (1 - std::pow(kBeta2, t))),
            .gradient_scale = 1,
            .average_rate = static_cast<float>(1 - keep)};
}

DenseOptimizer::DenseOptimizer(std::vector<Tensor> weights) : weights_(std::move(weights)) {
    for (std::size_t i = 0; i < weights_.size(); ++i) {
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

RowTable::RowTable(std::int64_t rows, std::int64_t dim)
    : weight_(at::zeros({rows, dim}, at::kFloat)),
      moment1_(at::zeros_like(weight_)),
      moment2_(at::zeros_like(weight_)),
      average_(at::zeros_like(weight_)),
      touched_(static_cast<std::size_t>(rows)) {}

Tensor RowTable::gather(const std::vector<std::int32_t>& rows) const {
    const std::int64_t dim = weight_.size(1);
    Tensor result = at::empty({static_cast<std::int64_t>(rows.size()), dim}, weight_.options());
    for (std::size_t r = 0; r < rows.size(); ++r)
        std::copy_n(weight_.data_ptr<float>() + rows[r] * dim, dim,
                    result.data_ptr<float>() + static_cast<std::int64_t>(r) * dim);
    return result;
}

void RowTable::apply(const std::vector<std::int32_t>& rows, const Tensor& gradient,
                     const kernels::AdamStep& step, std::int64_t now) {
    const std::int64_t dim = weight_.size(1);
    for (std::size_t r = 0; r < rows.size(); ++r) {
        const std::int64_t at = rows[r] * dim;
        float *weight = weight_.data_ptr<float>() + at, *average = average_.data_ptr<float>() + at;
        float *moment1 = moment1_.data_ptr<float>() + at, *moment2 = moment2_.data_ptr<float>() + at;
        const auto missed = static_cast<float>(now - 1 - touched_[static_cast<std::size_t>(rows[r])]);
        if (missed > 0) {
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
        k().adam(weight, gradient.data_ptr<float>() + static_cast<std::int64_t>(r) * dim, moment1, moment2,
                 average, dim, step);
        touched_[static_cast<std::size_t>(rows[r])] = now;
    }
}

Tensor RowTable::average(std::int64_t now, float rate) const {
    Tensor result = average_.clone();
    const std::int64_t dim = weight_.size(1);
    for (std::size_t row = 0; row < touched_.size(); ++row) {
        const float approach = 1 - std::pow(1 - rate, static_cast<float>(now - touched_[row]));
        float* average = result.data_ptr<float>() + static_cast<std::int64_t>(row) * dim;
        const float* weight = weight_.data_ptr<float>() + static_cast<std::int64_t>(row) * dim;
        for (std::int64_t d = 0; d < dim; ++d) average[d] += approach * (weight[d] - average[d]);
    }
    return result;
}

}  // namespace seqrec::trainer
