// Dot products of many rows with one query.
//
// The binary is built for the oldest CPU of its architecture and picks a kernel when it runs, so that a
// package built on one machine starts on every other. Kernels add in different orders and so differ in the
// last bits. Within one kernel the result for a row depends on that row and the query alone, never on its
// position: equal rows get equal scores, and ties stay ties.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace seqrec {

/// Writes dot(row i, query) to out[i] for `count` rows of `dim` floats each, one after the other at `rows`.
/// No alignment is needed; any dim, any count.
/// 计算 count 行（每行 dim 个 float，连续存放）与 query 的点积，写入 out[i]。无对齐要求，dim 与 count 任意。
using DotProducts = void (*)(const float* rows, std::size_t count, std::size_t dim, const float* query,
                             float* out);

/// A kernel and the instructions it is made of.
/// 一个点积内核及其所用指令集的名称。
struct DotKernel {
    std::string_view name;  // "avx512", "avx2", "portable"
    DotProducts run;
};

/// The kernels that this CPU can run, fastest first; the last is "portable" and always there.
/// 当前 CPU 可运行的内核，最快的在前；最后一个总是 "portable"。
std::span<const DotKernel> dot_kernels();

/// Runs the fastest kernel.
/// 运行最快的内核。
void dot_products(const float* rows, std::size_t count, std::size_t dim, const float* query, float* out);

}  // namespace seqrec
