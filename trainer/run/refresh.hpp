// The `refresh` command: the same weights over another table of items, without training.
#pragma once

#include "run/job_file.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// Makes the model file of a refreshed version. Items of the table that the model does not know are added, known ones are read
/// anew, and those that were in the table once and are no more are dropped; items that never were in it
/// stay. Errors: 0A000 for a kind that can't be refreshed or a model without content of its items, 22023 for a
/// table that says other things than it did, and those of files.
/// 生成刷新后的模型文件：表中新物品被加入，已有物品重新读取，曾在表中而现已不在的被移除；从未在表中的保留。
void refresh(const Job& job, Reporter& reporter);

}  // namespace seqrec::trainer
