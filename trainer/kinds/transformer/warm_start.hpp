// Starting from the weights of an earlier model instead of from random ones.
#pragma once

#include <string>

#include "measure/evaluation.hpp"
#include "random.hpp"

namespace seqrec::trainer {

/// An earlier model, its rows put in the order of a dataset. 按数据集顺序重排的早先模型。
struct WarmStart {
    Members members;                 // new items: fresh rows; new users: zeros
    std::vector<double> seen_until;  // per user: the latest interaction that the earlier model knew
    std::int64_t known_items = 0, known_users = 0;
};

/// Reads a snapshot file and matches its ids with those of the dataset file. Errors: 22023 (the snapshot's
/// shape is not that of `settings`), XX001, 58030. 读取快照文件，并按 id 与数据集对应。错误：22023（形状与
/// settings 不符）、XX001、58030。
WarmStart read_warm_start(const std::string& snapshot, const std::string& dataset, const Settings& settings,
                          Random& random);

}  // namespace seqrec::trainer
