// What a repeat gains or loses by how long ago the item was clicked last.
#pragma once

#include <functional>
#include <vector>

#include "core/ages.hpp"
#include "data/dataset.hpp"
#include "kinds/weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// For each age (core/ages.hpp) what is added to the score of an item that was clicked so long ago, empty for
/// nothing. A query can't tell an item from those like it, and whether people take the very same again, and
/// how soon, differs from data to data.
/// 对每种新旧程度，加到曾被点击的物品得分上的值；空则不加。
using Shifts = std::vector<float>;

/// The shifts with which the items that are asked for rank best (NDCG@10), as far as the questions tell by two standard errors: from
/// those of `before` on, an earlier model's, or none. Empty where repeats are reduced; those of `before` without questions.
/// 使所求物品排名最好（NDCG@10）的取值，以两倍标准误为界，从早先模型的取值 before（或无）出发。不保留重复时为空；没有问题时为 before。
Shifts fit_shifts(const Dataset& data, const std::vector<Question>& questions, const Weights& weights,
                  Workers& workers, const std::function<void(double)>& poll, const Shifts& before = {});

}  // namespace seqrec::trainer
