// The arithmetic that training spends its time in, single-threaded, chosen at run time for the CPU at hand.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seqrec::kernels {

/// One matrix product C = alpha * A B (+ C). A is m x k, B is k x n, C is m x n and row by row; A and B are
/// read through a row and a column stride, so that transposes cost nothing.
/// 一次矩阵乘法 C = alpha * A B (+ C)。A、B 以行、列步长读取，因此转置没有开销；C 按行存储。
struct Gemm {
    std::ptrdiff_t m = 0, n = 0, k = 0;
    const float* a = nullptr;
    std::ptrdiff_t a_row = 0, a_column = 0;
    const float* b = nullptr;
    std::ptrdiff_t b_row = 0, b_column = 0;
    float* c = nullptr;
    std::ptrdiff_t c_row = 0;
    float alpha = 1;
    bool accumulate = false;
    const float* packed_b = nullptr;  // what pack_b made of B, instead of b
};

/// Random numbers that need no state: element i of a stream is a hash of (seed, i), so that a mask is drawn
/// again in the backward pass instead of being kept.
/// 无状态随机数：第 i 个元素是 (seed, i) 的哈希，反向传播时重新生成掩码而无需保存。
struct Mask {
    std::uint32_t seed;
    float rate;  // of zeros, in [0, 1)
};

/// AdamW and the moving average of one step, for a contiguous range of weights.
struct AdamStep {
    float learning_rate, beta1, beta2, epsilon, weight_decay;
    float correction1, correction2;  // 1 / (1 - beta^step)
    float gradient_scale;
    float average_rate;  // average += rate * (weight - average)
};

/// Widths that every table's panels divide.
inline constexpr std::ptrdiff_t kPackMultiple = 32;

/// Products of bfloat16 values, for CPUs that multiply them twice as fast. Two values that are neighbours
/// along k make one 32-bit pair; matrices of pairs are addressed like matrices of floats, with k counting
/// pairs.
/// bfloat16 乘积：沿 k 相邻的两个值组成一个 32 位的对；按 float 矩阵的方式寻址，k 以对计。
struct Bfloat16 {
    /// As Table::gemm; A and B hold pairs, C is float32, and so are the sums.
    void (*gemm)(const Gemm&);
    /// [rows, columns] to pairs of rows 2i, 2i + 1, [(rows + 1) / 2, columns]; a missing row is 0.
    void (*pair_rows)(const float* x, std::ptrdiff_t rows, std::ptrdiff_t columns, float* to);
    /// [rows, columns] to pairs of columns 2j, 2j + 1, [rows, (columns + 1) / 2]; a missing column is 0.
    void (*pair_columns)(const float* x, std::ptrdiff_t rows, std::ptrdiff_t columns, float* to);
    /// As Table::exp_column_sums, but x stays and the results go, as pairs of rows and as pairs of columns,
    /// to [(rows + 1) / 2, n] and [rows, n / 2].
    void (*exp_pairs)(const float* x, const float* shift, const float* weight, float* sum,
                      std::ptrdiff_t rows, std::ptrdiff_t n, float* along_rows, float* along_columns);
};

enum class Activation { Gelu, GeluTanh, Relu };

/// The forward pass of a language model's encoder, between its products.
/// 语言模型编码器前向计算中矩阵乘法之外的部分。
struct Text {
    /// x = activation(x + bias), rows of n.
    void (*activate)(float* x, const float* bias, std::ptrdiff_t rows, std::ptrdiff_t n, Activation);
    /// y = the layer normalisation of x + bias + y, rows of n.
    void (*join_norm)(const float* x, const float* bias, float* y, const float* weight, const float* shift,
                      float epsilon, std::ptrdiff_t rows, std::ptrdiff_t n);
    /// The softmax of each row of n, in place.
    void (*softmax)(float* x, std::ptrdiff_t rows, std::ptrdiff_t n);
};

/// Additive attention of one query over the keys before it: with x = exp(2 query) and y = exp(2 key), tanh(query + key) is
/// 1 - 2 / (x y + 1), so that a pair costs a division and no exponential.
/// 加性注意力：以 x = exp(2 query)、y = exp(2 key) 计算 tanh(query + key) = 1 - 2 / (x y + 1)，每对只需一次除法。
struct Additive {
    const float* query;   // exp(2 query), n
    const float* keys;    // exp(2 key), rows of n
    const float* weight;  // n
    std::ptrdiff_t rows, n;
};

/// Some positions against all items: exp(scale items . hidden - shift) * weight, and what follows of it. All
/// logits must be at most a few above their position's shift. Exponentials below 2^-125 become that.
/// 一些位置对全部物品：exp(scale items . hidden - shift) * weight 及其后续计算；logit 不得明显大于该位置的 shift。
struct SoftmaxBlock {
    const float* items;               // [count, dim]
    std::ptrdiff_t count, dim, rows;  // rows: positions, a multiple of kPackMultiple
    const float* hidden;              // [rows, dim], transposed and packed by pack_b
    float scale;
    const float* shift;   // [rows]
    const float* weight;  // [count]; null: all 1
    float* sum;           // [rows], added to
    float* exponentials;  // room for count * rows; in an order of the kernels' own
    float* gradient;      // exponentials * items, packed as `hidden`, added to
};

/// The softmax's passes with their products in one, for CPUs of few and small caches.
/// 将 softmax 的各遍与其矩阵乘法合并，适用于缓存较小的 CPU。
struct Softmax {
    /// Writes or adds to everything that SoftmaxBlock has no const for.
    void (*forward)(const SoftmaxBlock&);
    /// ditems [count, dim] += exponentials, transposed, * scaled [rows, dim], which pack_b has packed as it lies.
    void (*backward)(const SoftmaxBlock&, const float* scaled, float* ditems);
    /// What pack_b made of a transposed [n, depth] back to [n, depth].
    void (*unpack)(const float* packed, std::ptrdiff_t n, std::ptrdiff_t depth, float* to);
};

struct Table {
    const char* name;
    void (*gemm)(const Gemm&);
    /// Rearranges B once for many products; needs k * (n rounded up to kPackMultiple) floats.
    void (*pack_b)(const Gemm&, float* to);
    /// y[i] = x[i] * mask(i) / (1 - rate)
    void (*dropout)(const float* x, float* y, std::ptrdiff_t n, Mask mask);
    /// y = mask(gelu(x + bias)), rows of n; the tanh form of GELU. x becomes the slope of y, kept for the backward.
    void (*bias_gelu)(float* x, const float* bias, float* y, std::ptrdiff_t rows, std::ptrdiff_t n,
                      Mask mask);
    /// dx = dy * slope; dbias += column sums of dx
    void (*bias_gelu_backward)(const float* slope, const float* dy, float* dx, float* dbias,
                               std::ptrdiff_t rows, std::ptrdiff_t n);
    /// y = residual + mask(x + bias)
    void (*bias_dropout_add)(const float* x, const float* bias, const float* residual, float* y,
                             std::ptrdiff_t rows, std::ptrdiff_t n, Mask mask);
    /// y += bias in every row
    void (*add_bias)(float* y, const float* bias, std::ptrdiff_t rows, std::ptrdiff_t n);
    /// sum += column sums of x
    void (*column_sums)(const float* x, float* sum, std::ptrdiff_t rows, std::ptrdiff_t n);
    /// Layer normalisation of rows of n; statistics[2 r] = mean, [2 r + 1] = 1 / deviation.
    void (*norm)(const float* x, const float* weight, const float* bias, float* y, float* statistics,
                 std::ptrdiff_t rows, std::ptrdiff_t n);
    /// dx; dweight and dbias are added to.
    void (*norm_backward)(const float* x, const float* weight, const float* statistics, const float* dy,
                          float* dx, float* dweight, float* dbias, std::ptrdiff_t rows, std::ptrdiff_t n);
    /// Row i of x (columns 0 .. first + i are visible, the rest become 0): softmax(x[j] + bias[j - i]), where
    /// `bias` points at distance 0 of the reversed bias. In place.
    void (*causal_softmax)(float* x, std::ptrdiff_t rows, std::ptrdiff_t row_stride, std::ptrdiff_t first,
                           const float* bias);
    /// p := p * (dp - sum(p * dp)) for visible columns; dbias[j - i] += the result.
    void (*causal_softmax_backward)(float* p, const float* dp, std::ptrdiff_t rows, std::ptrdiff_t row_stride,
                                    std::ptrdiff_t first, float* dbias);
    /// scores[r] = sum_d weight[d] (tanh(query[d] + keys[r][d]) - 1): what all keys have in common is left out.
    void (*additive_scores)(const Additive& a, float* scores);
    /// What the gradients of the scores are to the exponents (query and key, not their exponentials) and to the weight; all
    /// are added to, the weight's but for what is common to all scores.
    void (*additive_backward)(const Additive& a, const float* dscores, float* dquery, float* dkeys,
                              float* dweight);
    /// x[i][t] := exp(x[i][t] - shift[t]) * weight[i] for `rows` rows of n (null: all 1); sum[t] += the
    /// results. n: a multiple of 16.
    void (*exp_column_sums)(float* x, const float* shift, const float* weight, float* sum,
                            std::ptrdiff_t rows, std::ptrdiff_t n);
    /// top[t] := max(top[t], x[i][t])
    void (*column_maxima)(const float* x, float* top, std::ptrdiff_t rows, std::ptrdiff_t n);
    /// Where x[i][t] > top[t], rows in order: top[t] := x[i][t], which[t] := first + i. n: a multiple of 16.
    void (*column_best)(const float* x, float* top, std::int32_t* which, std::int32_t first,
                        std::ptrdiff_t rows, std::ptrdiff_t n);
    float (*dot)(const float* x, const float* y, std::ptrdiff_t n);
    /// y += alpha * x
    void (*axpy)(const float* x, float* y, std::ptrdiff_t n, float alpha);
    /// Values of x at least / more than `bound`.
    std::ptrdiff_t (*count_at_least)(const float* x, std::ptrdiff_t n, float bound);
    void (*adam)(float* weight, const float* gradient, float* moment1, float* moment2, float* average,
                 std::ptrdiff_t n, const AdamStep& step);
    const Bfloat16* bfloat16;  // null where the CPU has no instruction for it
    Text text;
    const Softmax* softmax;  // null where chunks go through single products
};

/// The fastest table that this CPU runs; SEQREC_ISA may ask for a slower one (core/kernels/instructions.hpp).
/// 此 CPU 可运行的最快实现；SEQREC_ISA 可指定较慢的实现。
const Table& table();

const Table& portable_table();
#ifdef SEQREC_X86
const Table& avx2_table();
const Table& avx512_table();
const Table& avx512_bf16_table();
#endif

}  // namespace seqrec::kernels

namespace seqrec::trainer {

/// As trainers write it, who call kernels in every other line. 训练代码中的简写。
inline const kernels::Table& k() { return kernels::table(); }

}  // namespace seqrec::trainer
