// Who had what, each pair once, from both sides.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/measure/baselines.hpp"

namespace seqrec {

/// The users x items matrix of ones, by rows and by columns, both sorted.
/// 由一组成的用户 × 物品矩阵，按行与按列，均已排序。
class UserLists {
  public:
    explicit UserLists(const Teaching& teaching);

    std::int64_t items() const { return static_cast<std::int64_t>(users_.offsets.size()) - 1; }
    std::int64_t users() const { return static_cast<std::int64_t>(items_.offsets.size()) - 1; }
    std::span<const std::int32_t> items_of(std::int32_t user) const { return items_.of(user); }
    std::span<const std::int32_t> users_of(std::int32_t item) const { return users_.of(item); }

  private:
    struct Lists {
        std::vector<std::size_t> offsets;
        std::vector<std::int32_t> entries;

        std::span<const std::int32_t> of(std::int32_t row) const {
            const auto at = static_cast<std::size_t>(row);
            return {entries.data() + offsets[at], offsets[at + 1] - offsets[at]};
        }
    };

    Lists items_, users_;
};

}  // namespace seqrec
