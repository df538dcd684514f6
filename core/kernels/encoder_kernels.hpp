// What an encoding spends its time in, compiled once for each instruction set and picked when it runs.
//
// Products of a whole network take their right side packed: panels of as many columns as a tile of registers
// is wide, each in the order in which the tile reads it. Their left side are "values": float, or bfloat16
// where the CPU multiplies pairs of those (AVX512-BF16). Sums, layer norms and the softmax are float32
// always, but for the sums of whole numbers into which avx2int16 turns both sides of a product.
//
// Rows of values and of float results start a multiple of kRowStep elements apart, because tiles write whole
// panels; what lies beyond a row's columns is written as zeros.
//
// The files of the newer instruction sets must not call inline functions that other files may call too: the
// linker keeps one copy of each, and might keep theirs for an older CPU.
#pragma once

#include <cstddef>
#include <span>

namespace seqrec {

/// Distances between rows are multiples of this.
/// 行距均为其整数倍。
inline constexpr std::ptrdiff_t kRowStep = 32;

/// x b + bias for `rows` rows x of `depth` values, b packed.
/// 矩阵乘积 x b + bias，b 为打包后的权重。
struct Product {
    const void* x;
    std::ptrdiff_t x_row, rows, depth;
    const void* packed;
    const float* bias;  // whole panels: zeros beyond the columns
    std::ptrdiff_t columns;
    void* y;
    std::ptrdiff_t y_row;
    void* scratch;  // product_scratch(rows, depth) bytes
};

/// Layer normalisation of each row (Ba, Kiros, Hinton 2016), epsilon 1e-5.
/// 逐行层归一化。
struct LayerNorm {
    const float* x;
    std::ptrdiff_t x_row, rows, dim;
    const float *weight, *bias;  // whole panels, as above
    void* y;
    std::ptrdiff_t y_row;
};

/// Causal attention of the last `queries` of `length` positions, all heads.
/// 最后 queries 个位置的因果注意力。
struct Attention {
    const void* query;  // times log2(e) / sqrt(width): scores are exponents of two
    std::ptrdiff_t query_row;
    const void *keys, *values;
    std::ptrdiff_t key_row;
    std::ptrdiff_t queries, length, heads, width;
    /// What a head adds to the score of a key d places back: distances[-d], heads `distance_row` apart; at
    /// least kDistancePadding floats after distances[0] are readable.
    const float* distances;
    std::ptrdiff_t distance_row;
    void* y;
    std::ptrdiff_t y_row;
    void* scratch;  // attention_scratch(length, width) bytes
};
inline constexpr std::ptrdiff_t kDistancePadding = 64;

/// The functions of one instruction set. All storage is given by the caller and starts at a multiple of 64
/// bytes.
/// 一种指令集的全部内核；存储由调用方提供，按 64 字节对齐。
struct EncoderKernels {
    const char* name;           // "avx512bf16", "avx512", "avx2int16", "avx2", "portable"
    std::ptrdiff_t value_size;  // bytes: 4 for float, 2 for bfloat16
    bool exact;                 // multiplies in float32

    /// Bytes of a packed matrix, and packing one from `columns` rows of `depth` floats, as linear layers
    /// store their weights, all multiplied by `scale`.
    std::ptrdiff_t (*packed_size)(std::ptrdiff_t columns, std::ptrdiff_t depth);
    void (*pack)(const float* weight, std::ptrdiff_t columns, std::ptrdiff_t depth, float scale, void* to);

    std::ptrdiff_t (*product_scratch)(std::ptrdiff_t rows, std::ptrdiff_t depth);
    void (*product)(const Product& p);       // y: values
    void (*product_gelu)(const Product& p);  // y: values, after the tanh form of GELU
    void (*product_add)(const Product& p);   // y: floats, what is there already is added
    void (*norm)(const LayerNorm& n);        // y: values
    void (*norm_float)(const LayerNorm& n);  // y: floats
    std::ptrdiff_t (*attention_scratch)(std::ptrdiff_t length, std::ptrdiff_t width);
    void (*attention)(const Attention& a);

    /// c = a b in float32, all n by n, n a multiple of kRowStep; a's element (i, k) is a[i * a_row + k *
    /// a_column].
    void (*square_product)(const float* a, std::ptrdiff_t a_row, std::ptrdiff_t a_column, const float* b,
                           std::ptrdiff_t n, float* c);
};

/// The kernels that this CPU runs, fastest first; the last is "portable" and always there.
/// 当前 CPU 可运行的内核，最快的在前；最后一个总是 "portable"。
std::span<const EncoderKernels* const> encoder_kernels();

/// The fastest of them; with `exact`, of those that multiply in float32.
/// 最快的内核；exact 时限 float32 内核。
const EncoderKernels& fastest_encoder_kernels(bool exact);

const EncoderKernels& portable_encoder_kernels();
const EncoderKernels& avx2_encoder_kernels();
const EncoderKernels& avx2int16_encoder_kernels();
const EncoderKernels& avx512_encoder_kernels();
const EncoderKernels& avx512bf16_encoder_kernels();

}  // namespace seqrec
