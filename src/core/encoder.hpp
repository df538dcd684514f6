// From clicks and a user to one vector, without libtorch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/safetensors.hpp"

namespace seqrec {

struct EncoderKernels;

/// What products of an encoding round their factors to. Sums, layer norms and the softmax are float32 always.
/// 编码时矩阵乘法因子的精度；累加、层归一化与 softmax 始终为 float32。
enum class Precision : std::uint8_t {
    Fast,   ///< bfloat16 where the CPU multiplies it (AVX512-BF16), otherwise float32
    Exact,  ///< float32; its weights are packed when it is first asked for, where the CPU has bfloat16
};

/// The forward pass of a trained model, one network or several whose cosines are averaged, over a model file
/// or a snapshot, which must outlive it. Construction checks every shape (Error, data corrupted) and copies
/// the networks' weights into the order in which this CPU's kernels read them; encoding then allocates only
/// scratch sized by the number of clicks and dim. Safe to use from several threads.
/// 训练好的模型（一个网络，或取余弦平均的多个网络）在模型文件或快照上的前向计算；文件的生命周期须长于本对象。构造时检查所有形状（Error，数据损坏），
/// 并按当前 CPU 内核的读取顺序复制网络权重；之后编码只分配临时内存。可多线程使用。
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
