// The `bench` command: how fast the arithmetic is here, beside what the machine can do.
#pragma once

namespace seqrec::trainer {

/// Prints one JSON object: GFLOP/s of the large matrix product of libtorch's library, of ours, and of the loss step
/// (forward and backward) on `threads` threads at MovieLens-1M's size, in turns and by CPU time. Returns the exit
/// status.
/// 输出一个 JSON 对象：libtorch 所用库的大矩阵乘法、本程序矩阵乘法与损失计算的 GFLOP/s，轮流测量，按 CPU 时间计。
int run_bench(int threads);

}  // namespace seqrec::trainer
