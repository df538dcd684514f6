// From clicks and a user to one vector, without libtorch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/safetensors.hpp"

namespace seqrec {

/// The forward pass of a trained model, one network or several whose cosines are averaged, over a model file
/// or a snapshot, which must outlive it. Construction checks every shape (Error, data corrupted); encoding
/// then allocates only scratch sized by max_len and dim. Safe to use from several threads.
/// 训练好的模型（一个网络，或取余弦平均的多个网络）在模型文件或快照上的前向计算；文件的生命周期须长于本对象。构造时检查所有形状（Error，数据损坏）。可多线程使用。
class Encoder {
  public:
    explicit Encoder(const SafetensorsFile& file);
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
    void encode(std::span<const std::int32_t> clicks, std::int32_t user, std::span<float> out) const;

  private:
    struct Impl;
    std::unique_ptr<const Impl> impl_;
};

}  // namespace seqrec
