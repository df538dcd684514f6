// Kind `transformer`: a causal Transformer over the latest clicks plus, with `user_dropout` below 1, a vector of the user's long-term
// interest.
#pragma once

#include <memory>

#include "core/kinds/kind.hpp"

namespace seqrec {

struct EncoderKernels;

/// Students learn from several networks, of all items, in the training that makes both: Error 22023 with a hint otherwise.
/// `sampled`: items drawn for a step, 0 for all; `updates`: whether the training starts from a model.
/// 学生网络在同一次训练中就全部物品向多个网络学习；否则抛出 Error 22023 并附提示。sampled 为每步抽取的物品数（0 为全部）；
/// updates 表示训练是否从已有模型开始。
void check_students(std::int64_t students, std::int64_t members, std::int64_t sampled, bool updates);

extern const Kind kTransformer;

/// One network or several whose cosines are averaged. Opening finds the networks' weights in the order in
/// which this CPU's kernels read them, or copies them into it; weights for Precision::Exact are packed when
/// that is first asked for. Encoding then allocates only scratch sized by the number of clicks and dim. A
/// query is of unit length; with no clicks the user's own vector answers; with neither, or a user never
/// trained, it is all zeros and not known.
/// 一个网络，或取余弦平均的多个网络。打开时找到（或复制出）按当前 CPU 内核读取顺序排列的网络权重；
/// Precision::Exact 的权重在首次使用时打包。之后编码只分配与点击数和 dim 有关的临时内存。查询为单位长度；
/// 没有点击时只用用户向量；两者皆无（或用户从未训练）时全为零，视为未知。
class TransformerEncoder final : public Encoder {
  public:
    explicit TransformerEncoder(const SafetensorsFile& file);
    /// With these kernels and no others, at either precision.
    /// 仅使用指定的内核。
    TransformerEncoder(const SafetensorsFile& file, const EncoderKernels& kernels);
    ~TransformerEncoder() override;

    int dim() const override;
    int reach() const override;
    Encoded encode(const EncoderInput& input, std::span<float> out, Precision precision) const override;
    /// A context says something only after clicks: of the moment of the question and, in `clicks`, of theirs.
    /// context 仅在有点击时起作用：说明提问的时刻，以及（在 clicks 中）各点击的时刻。
    std::vector<std::string> unknown_context(const nlohmann::json& context) const override;

  private:
    TransformerEncoder(const SafetensorsFile& file, const EncoderKernels& fast, const EncoderKernels& exact);

    struct Impl;
    std::unique_ptr<const Impl> impl_;
};

}  // namespace seqrec
