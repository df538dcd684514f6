// What the tests of hand-written operations share: inputs, and the comparison with libtorch's own gradients.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "kinds/shared/batches.hpp"
#include "torch.hpp"

namespace seqrec::trainer::testing {

using Forward = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

inline at::Tensor leaf(std::vector<std::int64_t> shape, std::int64_t seed) {
    at::manual_seed(seed);
    return at::randn(shape).requires_grad_();
}

inline double relative_error(const at::Tensor& ours, const at::Tensor& theirs) {
    return ((ours.to(at::kDouble) - theirs.to(at::kDouble)).norm() / (theirs.to(at::kDouble).norm() + 1e-12))
        .item<double>();
}

/// Values and all gradients of the two agree within `tolerance`, relative, in the Euclidean norm.
/// 两者的值与全部梯度在 tolerance 内一致（欧氏范数下的相对误差）。
inline void expect_equal(const std::vector<at::Tensor>& inputs, const Forward& ours, const Forward& theirs,
                         double tolerance = 1e-5) {
    const at::Tensor y = ours(inputs), expected = theirs(inputs);
    EXPECT_LT(relative_error(y, expected), tolerance);
    at::manual_seed(99);
    const at::Tensor along = y.dim() == 0 ? at::ones({}, y.options()) : at::randn(y.sizes());
    const auto ours_gradients = torch::autograd::grad({y}, inputs, {along});
    const auto gradients = torch::autograd::grad({expected}, inputs, {along.to(expected.dtype())});
    for (std::size_t i = 0; i < inputs.size(); ++i)
        EXPECT_LT(relative_error(ours_gradients[i], gradients[i]), tolerance) << "input " << i;
}

/// Sequences of items below 11, of these lengths.
/// 物品下标小于 11、长度如所给的序列。
inline Batch batch_of(const std::vector<int>& lengths) {
    auto batch = std::make_shared<Packed>();
    Random random(3);
    for (std::size_t s = 0; s < lengths.size(); ++s) {
        std::vector<std::int32_t> items;
        for (int i = 0; i < lengths[s]; ++i) items.push_back(static_cast<std::int32_t>(random.below(11)));
        batch->append(items, static_cast<std::int32_t>(s));
    }
    return batch;
}

inline at::Tensor index(const std::vector<std::int32_t>& values) {
    at::Tensor result = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
    for (std::size_t i = 0; i < values.size(); ++i) result.data_ptr<std::int64_t>()[i] = values[i];
    return result;
}

/// Of sequences: one position, and more than a block of attention has.
/// 序列长度：包括单个位置，以及超过一个注意力块的长度。
inline const std::vector<int> kLengths{1, 70, 3, 49, 120};

}  // namespace seqrec::trainer::testing
