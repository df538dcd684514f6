// What follows a position beside its label.
#pragma once

#include <cstdint>
#include <vector>

namespace seqrec::trainer {

/// Items that count in place of a part of each label: of each row the same number, and what each counts. The label itself
/// counts one less what they sum up to. Empty: the labels alone.
/// 代替各标签一部分的物品：每行个数相同，附各自份额；标签本身计 1 减去它们之和。为空则只有标签。
struct SoftLabels {
    std::int64_t each = 0;
    std::vector<std::int32_t> items{};  ///< [T, each]
    std::vector<float> shares{};        ///< [T, each], 0 for what does not count
};

}  // namespace seqrec::trainer
