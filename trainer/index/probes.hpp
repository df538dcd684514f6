// How many lists of an index must be read to find what reading everything finds.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "index/list_index.hpp"

namespace seqrec::trainer {

/// What is asked of the index: vectors [n, width], and the items that must not be in each answer.
/// 对索引的查询：向量 [n, 宽度]，以及每个回答中不得出现的物品。
struct Queries {
    at::Tensor vectors;
    std::vector<std::span<const std::int32_t>> seen;
};

/// Lists to read, nearest first, and what that finds and costs on other queries than it was chosen by.
/// 需读取的列表数（最近的优先），及其在另一半查询上的召回率与读取比例。
struct Probes {
    std::int64_t count;
    double recall;  // of the exact ten best
    double share;   // of all items read
};

/// Finds the exact ten best `items` (rows of unit length) of every query, chooses by every other query the
/// smallest number of lists that hold 99.5 % of them, and measures it on the rest. There are at least two
/// queries. `poll(share)` is called as work gets done, from any thread.
/// 求每个查询的精确前十名；用一半查询选出含其 99.5% 的最小列表数，在另一半上测量。至少需要两个查询。
Probes choose_probes(const ListIndex& index, const at::Tensor& items, const Queries& queries,
                     Workers& workers, const std::function<void(double)>& poll);

}  // namespace seqrec::trainer
