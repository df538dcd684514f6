// Half-written files of runs that were killed.
#pragma once

#include <string>

namespace seqrec::trainer {

/// Removes what killed runs have left beside a model file and beside a training's checkpoints (CHECKPOINT.N):
/// files that were being written under a temporary name of NewFile. An empty path stands for none.
/// 删除被终止的运行在模型文件与各检查点（CHECKPOINT.N）旁留下的临时文件；路径为空表示没有。
void remove_leftovers(const std::string& model, const std::string& checkpoint);

}  // namespace seqrec::trainer
