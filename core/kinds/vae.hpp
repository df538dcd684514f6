// Kind `vae`: a variational auto-encoder over the clicks, with additive attention between encoder and decoder.
#pragma once

#include <memory>

#include "core/kinds/kind.hpp"

namespace seqrec {

struct EncoderKernels;

extern const Kind kVae;

/// What the decoder adds to the latent variables counts so much: they begin as the query itself, and what is learned on top of them
/// is learned gently.
/// 解码器在隐变量之上所加内容的系数：隐变量一开始即为查询，其上的部分缓慢学习。
inline constexpr float kVaeGain = 0.1f;

/// Encoder, attention and decoder over the item vectors of a file. A causal Transformer makes a state h of every
/// click; the latest state attends to all of them by softmax_i(v . tanh(W h_t + U h_i + b)); the means of the latent
/// variables of the latest click and of what is attended to go through the decoder, which makes the query, of unit
/// length. Nothing is sampled, so that the same clicks give the same answer. Without clicks nothing is known.
/// 基于文件中物品向量的编码器、注意力与解码器。因果 Transformer 为每次点击给出状态 h；最近的状态以加性注意力
/// softmax_i(v · tanh(W h_t + U h_i + b)) 汇聚全部状态；最近点击的隐变量均值与汇聚所得经解码器变为单位长度的查询。
/// 不作采样，相同点击得到相同回答；没有点击则未知。
class VaeEncoder final : public Encoder {
  public:
    explicit VaeEncoder(const SafetensorsFile& file);
    /// With these kernels and no others, at either precision.
    /// 仅使用指定的内核。
    VaeEncoder(const SafetensorsFile& file, const EncoderKernels& kernels);
    ~VaeEncoder() override;

    int dim() const override;
    int reach() const override;
    Encoded encode(const EncoderInput& input, std::span<float> out, Precision precision) const override;

  private:
    struct Impl;
    std::unique_ptr<const Impl> impl_;
};

}  // namespace seqrec
