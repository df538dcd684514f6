// The coefficients of a regression as a table to read.
#pragma once

#include <vector>

#include "files/tensor_file.hpp"
#include "kinds/logistic/passes.hpp"

namespace seqrec::trainer {

/// Rows of the table at most: those that most pairs have to do with.
/// 表的行数上限：保留涉及样本对最多的系数。
inline constexpr std::size_t kMostCoefficients = 100000;

/// The tensors of seqrec_coefficients: `coefficient.feature.offsets|bytes`, `coefficient.value.offsets|bytes`,
/// `coefficient.weight`, `coefficient.error`, `coefficient.rows` [P]. Coefficients are those before the
/// calibration; what no pair has to do with is left out. `left_out`: how many more there are than fit.
/// seqrec_coefficients 的张量；系数为校准之前的值，不涉及任何样本对的被略去；left_out 为放不下的个数。
std::vector<NamedTensor> coefficient_table(const Dataset& data, const Design& design,
                                           std::span<const float> coefficients, std::span<const float> errors,
                                           std::span<const float> counts, std::size_t* left_out);

}  // namespace seqrec::trainer
