// Items that a user has said no to (the option `exclude_events`): never recommended to that user.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.hpp"
#include "files/tensor_file.hpp"

namespace seqrec::trainer {

/// What users have said no to, and when: the rows of a dataset file that `event.excluded` marks.
/// 用户拒绝过的物品及其时间：数据集文件中由 event.excluded 标出的行。
class Excluded {
  public:
    /// Error XX001 when the marks are not valid; nothing is excluded in a file without.
    /// 标记无效时抛出 Error XX001；文件没有标记则不排除任何物品。
    explicit Excluded(const Dataset& data);

    bool any() const { return !items_.empty(); }
    /// The items that the asker of a question had said no to before, ascending.
    /// 提问者此前拒绝过的物品，升序。
    std::vector<std::int32_t> before(const Dataset& data, const Question& question) const;
    /// `excluded.offsets` I64 [users + 1] and `excluded.items` I32 of the model file; none where the file marks nothing.
    /// 模型文件的 excluded.offsets 与 excluded.items；文件没有标记时为空。
    std::vector<NamedTensor> tensors() const;

  private:
    std::vector<std::int64_t> offsets_{0};  // of each user
    std::vector<std::int32_t> items_;       // in the order of their rows
    std::vector<std::int64_t> rows_;        // of each of them
    std::vector<std::int64_t> row_of_place_;
    bool marked_ = false;
};

}  // namespace seqrec::trainer
