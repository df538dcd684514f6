// From clicks and a user to one vector, without libtorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/files/safetensors.hpp"

namespace seqrec {

struct EncoderKernels;

/// What products of an encoding round their factors to. Sums, layer norms and the softmax are float32 always.
/// 编码时矩阵乘法因子的精度；累加、层归一化与 softmax 始终为 float32。
enum class Precision : std::uint8_t {
    Fast,   ///< bfloat16 where the CPU multiplies it (AVX512-BF16), otherwise float32
    Exact,  ///< float32; its weights are packed when it is first asked for, where the CPU has bfloat16
};

/// Gives a tensor of a model by name, [shape]; Error (data corrupted) when it is missing or of another shape.
/// 按名称给出模型的张量；缺失或形状不符时抛出 Error（数据损坏）。
using TensorSource = std::function<std::span<const float>(const std::string& name, const Shape& shape)>;

/// The tensor in which a snapshot holds the networks' weights as this CPU's kernels read them, so that all
/// processes share them: its name, its bytes, of which the tensors' lengths alone decide, and its contents.
/// Error (data corrupted) for a config that is not valid. A snapshot without it, or written for other
/// kernels, serves as well: each process then packs weights of its own. 快照中存放打包权重（按当前 CPU
/// 内核的读取顺序，供各进程共享）的张量：名称、字节数（只取决于张量长度）及内容。config
/// 无效时抛出 Error（数据损坏）。快照中没有它或为其他内核所写时，各进程自行打包。
std::string packed_weights_name();
std::size_t packed_weights_size(const std::string& config, const TensorSource& tensors);
void pack_weights(const std::string& config, const TensorSource& tensors, std::span<std::byte> to);

/// The forward pass of a trained model, one network or several whose cosines are averaged, over a model file
/// or a snapshot, which must outlive it. Construction checks every shape (Error, data corrupted) and finds
/// the networks' weights in the order in which this CPU's kernels read them, or copies them into it; encoding
/// then allocates only scratch sized by the number of clicks and dim. Safe to use from several threads.
/// 训练好的模型（一个网络，或取余弦平均的多个网络）在模型文件或快照上的前向计算；文件的生命周期须长于本对象。构造时检查所有形状（Error，数据损坏），
/// 并找到（或复制出）按当前 CPU 内核读取顺序排列的网络权重；之后编码只分配临时内存。可多线程使用。
class Encoder {
  public:
    explicit Encoder(const SafetensorsFile& file);
    /// With these kernels and no others, at either precision. 仅使用指定的内核。
    Encoder(const SafetensorsFile& file, const EncoderKernels& kernels);
    Encoder(Encoder&&) noexcept;
    Encoder& operator=(Encoder&&) noexcept;
    ~Encoder();

    int dim() const;
    int max_len() const;
    std::int64_t items() const;
    std::int64_t users() const;

    /// Writes the unit vector of a user to `out` (dim floats). `clicks`: item indexes, oldest first, each in
    /// [0, items), of which the last max_len count; `user`: an index in [0, users), or -1 for a user the
    /// model has never seen. With no clicks the user's own vector answers; with neither, `out` is all zeros.
    /// 将用户的单位向量写入 out（dim 个 float）。clicks 为物品下标，最早的在前，只取最后 max_len 个；user
    /// 为用户下标， 未知用户为 -1。没有点击时只用用户向量；两者皆无时 out 全为零。
    void encode(std::span<const std::int32_t> clicks, std::int32_t user, std::span<float> out,
                Precision precision = Precision::Fast) const;

  private:
    Encoder(const SafetensorsFile& file, const EncoderKernels& fast, const EncoderKernels& exact);

    struct Impl;
    std::unique_ptr<const Impl> impl_;
};

}  // namespace seqrec
