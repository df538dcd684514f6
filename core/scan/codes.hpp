// The item matrix in one byte a number, and bounds on the scores that those bytes stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/poll.hpp"

namespace seqrec {

/// Rows lie in groups of sixteen, and within a group four columns of all sixteen rows lie together: what one
/// instruction multiplies.
/// 行按十六个一组存放；组内每四列的十六行相邻，正是一条指令所处理的数据。
inline constexpr std::size_t kGroupRows = 16;

/// Unit vectors in eight bits. The slot of a row says where it lies; slots without an item have scale 0.
/// Column j of slot s stands for scale[s] * (values[…] - 128).
/// 八位表示的单位向量；没有物品的槽 scale 为 0。
struct Codes {
    std::span<const std::uint8_t> values;  ///< [groups, depth / 4, 16, 4]
    std::span<const float> scale;          ///< [16 groups]
    std::span<const std::int32_t> item;    ///< [16 groups]: the item of a slot, -1 for none
    std::size_t depth;                     ///< columns, a multiple of four; the last ones may be zero
    float error;                           ///< ‖row - its code‖ <= error * scale[slot], for every slot

    std::size_t groups() const { return scale.size() / kGroupRows; }
};

/// The same, to be filled.
/// 待填充的 Codes。
struct CodesToFill {
    std::span<std::uint8_t> values;
    std::span<float> scale;
    std::span<std::int32_t> item;
    std::size_t depth;
};

/// Columns that rows of `dim` numbers take.
/// dim 个数的行占用的列数。
constexpr std::size_t code_depth(std::size_t dim) { return (dim + 3) / 4 * 4; }

/// Encodes rows of `matrix` [items, dim], each times its `unit` factor (1 / length), in the order that
/// `codes.item` gives; returns Codes::error.
/// 按 codes.item 的顺序对矩阵各行（乘以 unit，即 1 / 长度）编码，返回 Codes::error。
float encode_rows(std::span<const float> matrix, std::span<const float> unit, std::size_t dim,
                  const CodesToFill& codes, const Poll& poll);

/// What a kernel can add up of a query's bytes without overflow: `pair` bounds |a| + |b| of two columns side by side that
/// one instruction multiplies, `eight` the sum over the four such pairs that are added in sixteen bits. A query
/// comes in as fine steps as these allow, so that narrow ones widen the bounds, and never make them wrong.
/// 内核对查询字节求和而不溢出的限度：pair 为相邻两列绝对值之和的上限，eight 为四对之和的上限。
/// 限度越小，步长越粗，界越宽，但始终成立。
struct SumLimits {
    int pair, eight;
};

/// A query in eight bits, and what turns an integer dot product into a bound: exact score <= scale[slot] *
/// (step * dot + slack) + margin, and >= the same with -slack and -margin. It follows from Cauchy and
/// Schwarz: x·q - x'·q' = (x - x')·q + x'·(q - q').
/// 八位查询以及由整数点积得到得分上下界的系数（柯西-施瓦茨不等式）。
struct CodeQuery {
    std::vector<std::int32_t> chunks;  ///< [depth / 4], four signed bytes each
    /// [depth / 16, rounded up]: -128 times the sum of each pair's bytes over four chunks, two numbers of sixteen bits
    /// that wrap around.
    /// 每四个块中每对字节之和乘以 -128，两个可回绕的 16 位数。
    std::vector<std::int32_t> starts;
    std::int32_t bias;  ///< 128 * sum of the bytes, which the unsigned codes add to each dot
    float step, slack, margin;

    /// For the kernel that this CPU runs, or one of the given limits.
    /// 用于本机的内核，或给定限度的内核。
    CodeQuery(std::span<const float> query, const Codes& codes);
    CodeQuery(std::span<const float> query, const Codes& codes, const SumLimits& limits);
};

/// What scoring gives one query: an upper bound for each slot, and for each group a mask of the slots whose
/// bound is at least `least`.
/// 一个查询的计分：每个槽的得分上界，以及每组中上界不小于 least 的槽的掩码。
struct Scoring {
    const CodeQuery* query;
    float least;
    float* upper;         ///< [16 groups]
    std::uint16_t* mask;  ///< [groups]
};

/// Scores `groups` groups from the given ones on, for each of some queries, which keep to its limits. Kernels differ by
/// the rounding of the bound alone.
/// 为每个查询（须符合其限度）对若干组计分。各内核只在上界的舍入上有差别。
struct CodeKernel {
    std::string_view name;
    SumLimits limits;
    std::size_t together;  ///< how many queries share what is loaded
    void (*run)(const std::uint8_t* values, const float* scale, std::size_t groups,
                std::span<const Scoring> scorings);
};

/// The kernels that this CPU runs, fastest first.
/// 本机 CPU 可用的内核，最快的在前。
std::span<const CodeKernel> code_kernels();

}  // namespace seqrec
