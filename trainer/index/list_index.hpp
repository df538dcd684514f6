// Items in lists of like direction, so that a search can read a few lists instead of all items (an inverted
// file, IVF).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "random.hpp"
#include "run/workers.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// The lists' directions, [lists, width] of unit length, and the list of each item.
/// 各列表的方向（[列表数, 宽度]，单位长度），以及每个物品所属的列表。
struct ListIndex {
    at::Tensor centroids;
    std::vector<std::int32_t> list;

    std::int64_t lists() const { return centroids.size(0); }
};

/// How many lists serve best. A search reads all centroids and then some lists: with four times the square
/// root of the items, one time in a hundred read costs about as much as the centroids.
/// 合适的列表数：物品数平方根的四倍。
std::int64_t choose_lists(std::int64_t items);

/// Spherical k-means: every row of `items` [items, width] goes to the list whose centroid it has the largest
/// product with, the first of equals. Lists that would stay empty, and those much larger than the mean, get
/// their share by splitting. The same for the same random numbers, whatever the number of threads. There are
/// at most `lists` lists, at least one; memory beyond the result is that of 64 rows a list. `poll(share)` is
/// called as work gets done, from any thread.
/// 球面 k-means：每个物品归入与其内积最大的列表（相等取第一个）。空列表与过大的列表通过拆分得到平衡。
/// 随机数相同则结果相同，与线程数无关。
ListIndex group_items(const at::Tensor& items, std::int64_t lists, Random random, Workers& workers,
                      const std::function<void(double)>& poll);

/// The list of each row of `items` [items, width]: the one of the largest product, the first of equals.
/// 每个物品所属的列表：内积最大者，相等取第一个。
std::vector<std::int32_t> nearest_lists(const at::Tensor& items, const at::Tensor& centroids,
                                        Workers& workers);

}  // namespace seqrec::trainer
