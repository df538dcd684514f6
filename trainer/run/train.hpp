// The `train` command: a dataset file in, a model file and protocol lines out.
#pragma once

#include "run/job_file.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// Trains, measures and writes the model of a job. Errors as the kind, the files and the data give them.
/// 训练、测量并写出任务的模型。
void train(const Job& job, Reporter& reporter);

}  // namespace seqrec::trainer
