// EASE, the closed form of a linear recommender.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "core/measure/baselines.hpp"

namespace seqrec {

/// Memory that ease_baseline() takes for so many items: one and a half matrices of items x items.
/// ease_baseline() 对给定物品数所需的内存：一个半物品 × 物品矩阵。
std::size_t ease_bytes(std::int64_t items);

/// `ease` (Steck, WWW 2019): score(j) = sum of B_ij over the items i that the user had, B = I - P / diag(P), P = (X'X + λ
/// I)^-1, X the users x items matrix of ones. `poll` is called every few milliseconds, some n^3 operations long.
/// ease（Steck，WWW 2019）：score(j) 为用户各物品 i 的 B_ij 之和；运算量约为 n 的三次方，期间不断调用 poll。
std::unique_ptr<Baseline> ease_baseline(const Teaching& teaching, const Popularity& popularity, double lambda,
                                        const Poll& poll);

/// A symmetric matrix of floats, of which the lower half is kept, in square tiles.
/// 对称矩阵，只保存下半部分，分块存储。
class SymmetricMatrix {
  public:
    static constexpr std::ptrdiff_t kTile = 128;

    /// Zeros.
    /// 全零。
    explicit SymmetricMatrix(std::int64_t size);

    std::int64_t size() const { return size_; }
    float& at(std::int64_t row, std::int64_t column);
    /// Adds a row, times -1, to `to`, [size].
    /// 将某行乘以 -1 加到 to 上。
    void subtract_row(std::int64_t row, std::span<float> to) const;
    /// Becomes its inverse; it must be positive definite. A sweep over tiles of the diagonal.
    /// 变为其逆矩阵；须为正定矩阵。
    void invert(const Poll& poll);

  private:
    struct alignas(64) Tile {
        float values[kTile * kTile];
    };
    struct Panel;

    Tile& tile(std::ptrdiff_t row, std::ptrdiff_t column);
    const Tile& tile(std::ptrdiff_t row, std::ptrdiff_t column) const;
    void sweep(std::ptrdiff_t pivot, Panel& panel, const Poll& poll);

    std::int64_t size_;
    std::ptrdiff_t tiles_;
    std::vector<Tile> lower_;  // row after row
};

}  // namespace seqrec
