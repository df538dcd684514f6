// Which vector instructions this process runs.
#pragma once

namespace seqrec {

/// What the CPU has, less what SEQREC_ISA in the environment forbids: "avx512" leaves out bfloat16, "avx2"
/// all of AVX-512, "portable" everything; any other value forbids nothing. Answers differ between them by
/// rounding alone; tests and benchmarks set it.
/// 本进程使用的向量指令集：CPU 所支持的，减去环境变量 SEQREC_ISA 所禁用的；"avx512" 禁用 bfloat16，
/// "avx2" 禁用全部 AVX-512，"portable" 全部禁用，其他值不禁用。各实现的结果只有舍入差别。
struct Instructions {
    bool avx2 = false;      ///< and FMA
    bool avx512 = false;    ///< F, BW, DQ and VL, on top of avx2
    bool vnni = false;      ///< on top of avx512
    bool bfloat16 = false;  ///< on top of avx512
};

/// Asked of the CPU and the environment once.
/// 仅检测一次。
const Instructions& instructions();

}  // namespace seqrec
