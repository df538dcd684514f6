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

/// Of an answer's exact ten best.
/// 对精确前十名的召回率。
inline constexpr double kWantedRecall = 0.995;

/// Lists to read, nearest first, and what that finds and costs on other queries than it was chosen by.
/// 需读取的列表数（最近的优先），及其在另一半查询上的召回率与读取比例。
struct Probes {
    std::int64_t count;
    std::vector<double> recall;  // of the exact ten best, for each kind of queries
    double share;                // of all items read, by the first kind
};

/// Finds the exact ten best `items` (rows of unit length) of every query and how many lists hold them. Chosen by
/// every other query is the smallest number of lists that hold kWantedRecall of them with room for chance (two
/// standard errors); where the rest miss that all the same, as many as those need. What is told is measured on the
/// rest. All kinds of queries are served so, the first being what is mostly asked. There are at least two queries of
/// each. `poll(share)` is called as work gets done, from any thread.
/// 求每个查询的精确前十名及其所在的列表；用一半查询选出最小的列表数，使召回率在留出两个标准误差后仍不低于
/// kWantedRecall；若另一半仍未达到，则按其所需增加。报告的是另一半上的测量值。各类查询均须满足，第一类为主要的查询。
/// 每类至少需要两个查询。
Probes choose_probes(const ListIndex& index, const at::Tensor& items, std::span<const Queries> queries,
                     Workers& workers, const std::function<void(double)>& poll);

}  // namespace seqrec::trainer
