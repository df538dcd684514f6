// One network of a model, its weights packed for the kernels that will run it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "core/kernels/encoder_kernels.hpp"
#include "core/kinds/encoder.hpp"

namespace seqrec {

/// What all networks of a model have in common.
/// 一个模型内各网络共有的尺寸。
struct NetworkSizes {
    std::int64_t dim, heads, max_len;
};

/// A block's weights as the model file has them, [out, in].
/// 模型文件中一个块的权重。
struct BlockWeights {
    std::span<const float> norm1_weight, norm1_bias;
    std::span<const float> qkv_weight, qkv_bias;
    std::span<const float> relative;  // [heads, max_len]: added to the score of a key that many places back
    std::span<const float> out_weight, out_bias;
    std::span<const float> norm2_weight, norm2_bias;
    std::span<const float> wide_weight, wide_bias;
    std::span<const float> narrow_weight, narrow_bias;
};

/// A network's weights as the model file has them.
/// 模型文件中一个网络的权重。
struct NetworkWeights {
    std::vector<BlockWeights> blocks;
    std::span<const float> norm_weight, norm_bias;
};

/// Reads the weights of `layers` blocks and of the norm after them, whose names begin with `at`; Error (data corrupted)
/// for one that is missing or of another shape.
/// 读取名称以 at 开头的 layers 个块与其后归一化的权重；缺失或形状不符时抛出 Error（数据损坏）。
NetworkWeights read_network(const TensorSource& tensors, const std::string& at, const NetworkSizes& sizes,
                            std::int64_t layers);

/// Memory that starts at a multiple of 64 bytes; its contents are not set.
/// 按 64 字节对齐、未初始化的内存。
class AlignedMemory {
  public:
    AlignedMemory() = default;
    explicit AlignedMemory(std::size_t bytes)
        : bytes_(static_cast<std::byte*>(::operator new(bytes, kAlignment))) {}
    std::byte* data() const { return bytes_.get(); }
    float* floats() const { return reinterpret_cast<float*>(bytes_.get()); }

  private:
    static constexpr std::align_val_t kAlignment{64};
    struct Delete {
        void operator()(std::byte* bytes) const { ::operator delete(bytes, kAlignment); }
    };
    std::unique_ptr<std::byte, Delete> bytes_;
};

/// Where the packed weights of networks lie, part after part, each at a multiple of 64 bytes. The same calls
/// of take() measure how many bytes that will be, fill them, or find the parts of bytes that were filled
/// before: in a snapshot, where all processes share them.
/// 各网络打包权重的存放处，各部分依次排列并按 64 字节对齐。同样的 take() 调用可用于计算所需字节数、填充，
/// 或在已填充的字节（如各进程共享的快照）中定位。
class PackedWeights {
  public:
    /// Measures: take() gives nothing to write to.
    /// 仅计算大小。
    PackedWeights() = default;
    /// Fills memory that is as large as was measured.
    /// 填充大小已算好的内存。
    static PackedWeights filling(std::byte* memory) { return PackedWeights(memory, true); }
    /// Finds the parts of memory that was filled by the same calls.
    /// 在已填充的内存中定位。
    static PackedWeights reading(const std::byte* memory) {
        return PackedWeights(const_cast<std::byte*>(memory), false);  // nobody writes unless fills()
    }

    bool fills() const { return fills_; }
    std::size_t used() const { return used_; }
    std::byte* take(std::size_t bytes) {
        std::byte* part = memory_ ? memory_ + used_ : nullptr;
        used_ += (bytes + 63) / 64 * 64;
        return part;
    }
    float* take_floats(std::ptrdiff_t count) {
        return reinterpret_cast<float*>(take(static_cast<std::size_t>(count) * sizeof(float)));
    }

  private:
    PackedWeights(std::byte* memory, bool fills) : memory_(memory), fills_(fills) {}

    std::byte* memory_ = nullptr;
    bool fills_ = false;
    std::size_t used_ = 0;
};

/// To be raised whenever what networks take() or write there changes: files hold it.
/// 打包内容或布局变化时须增大：文件中记有此值。
inline constexpr int kPackedLayout = 1;

/// The scratch of one encoding, used by one network after the other.
/// 一次编码所需的临时内存。
class Workspace {
  public:
    Workspace(const EncoderKernels& kernels, const NetworkSizes& sizes, std::size_t length);

    std::ptrdiff_t length, row, wide_row;  // positions; distances between rows, of dim and of 4 dim
    float* x;                              // the residual stream, [length, row]
    std::byte *normed, *query, *key_value, *attended, *wide, *attention, *product;

  private:
    AlignedMemory memory_;
};

/// A network ready to run over its packed weights, which must outlive it. Immutable: safe to use from several
/// threads.
/// 在打包权重（生命周期须更长）上可运行的网络；不可变，可多线程使用。
class Network {
  public:
    /// `weights` are read only when `packed` is to be filled; otherwise their lengths alone count.
    /// 仅当 packed 需填充时读取 weights，否则只用其长度。
    Network(const EncoderKernels& kernels, const NetworkSizes& sizes, const NetworkWeights& weights,
            PackedWeights& packed);

    /// Takes the embedded clicks in workspace.x, zeros beyond each row's dim, and writes the hidden state at
    /// the last one to `out` (dim floats).
    /// 输入 workspace.x 中的点击嵌入，将最后位置的隐状态写入 out。
    void run(const Workspace& workspace, std::span<float> out) const;
    /// The same, but the hidden states of all positions, [length, dim]. What is not asked for costs nothing in run().
    /// 同上，但给出所有位置的隐状态 [length, dim]；只需最后位置时用 run() 更省。
    void run_all(const Workspace& workspace, std::span<float> out) const;

  private:
    struct Norm {
        const float *weight, *bias;
    };
    struct Linear {
        std::ptrdiff_t in = 0, out = 0;  // out is 0 for one that is not there
        const std::byte* weight = nullptr;
        const float* bias = nullptr;
    };
    struct Block {
        Norm norm1, norm2;
        Linear query, key_value, out, wide, narrow;
        const float* distances;
    };
    struct Packer;

    static Product product(const Linear& linear, const Workspace& workspace, const void* x,
                           std::ptrdiff_t x_row, std::ptrdiff_t rows, void* y, std::ptrdiff_t y_row);
    void run_block(const Block& block, const Workspace& workspace, std::ptrdiff_t queries) const;
    void finish(const Workspace& workspace, std::ptrdiff_t position, std::span<float> out) const;
    void attend(const Block& block, const Workspace& workspace, std::ptrdiff_t queries) const;

    const EncoderKernels* kernels_;
    std::ptrdiff_t dim_, heads_, max_len_, distance_row_;
    std::vector<Block> blocks_;
    Norm norm_;
};

}  // namespace seqrec
