// Vectors of numbers as tensors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "torch.hpp"

namespace seqrec::trainer {

/// A copy of numbers, [values]; `type` is theirs.
/// 数值的副本；type 与其类型相同。
template <typename T>
at::Tensor tensor_of(const std::vector<T>& values, at::ScalarType type) {
    at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, type);
    std::copy(values.begin(), values.end(), tensor.data_ptr<T>());
    return tensor;
}

/// Rows as what selects them of a tensor.
/// 用于从张量中选取各行的下标。
template <typename T>
at::Tensor index_of(const std::vector<T>& rows) {
    at::Tensor index = at::empty({static_cast<std::int64_t>(rows.size())}, at::kLong);
    std::copy(rows.begin(), rows.end(), index.data_ptr<std::int64_t>());
    return index;
}

}  // namespace seqrec::trainer
