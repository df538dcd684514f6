// The `bench` command: how fast the arithmetic is here, beside what the machine can do.
#pragma once

namespace seqrec::trainer {

/// Prints one JSON object: GFLOP/s of libtorch's own large matrix product, of ours, and of the loss step
/// (forward and backward) on `threads` threads at MovieLens-1M's size. Returns the exit status.
/// 输出一个 JSON 对象：libtorch 大矩阵乘法、本程序矩阵乘法与损失计算的 GFLOP/s。
int run_bench(int threads);

}  // namespace seqrec::trainer
