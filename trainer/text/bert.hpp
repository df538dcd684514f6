// BERT's forward pass over packed sequences: no padding, by the hand-written kernels.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "text/bert_weights.hpp"

namespace seqrec::trainer {

/// Token ids of several texts, one after another.
/// 若干文本首尾相接的词元编号。
struct PackedTexts {
    std::vector<std::int32_t> ids;
    std::vector<std::int64_t> offsets{0};  ///< [texts + 1]
    std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
    std::int64_t texts() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
    void add(std::span<const std::int32_t> text);
};

/// A matrix product with its weights rearranged once for the CPU at hand.
/// 权重已针对当前 CPU 重排的线性层。
class PackedLinear {
  public:
    PackedLinear(const LinearWeights& weights, bool bfloat16);
    std::int64_t inputs() const { return inputs_; }
    std::int64_t outputs() const { return outputs_; }
    const float* bias() const { return bias_.data(); }
    /// y [rows, outputs] = x w^T, without the bias; `pairs` has room for rows * (inputs + 1) / 2.
    void multiply(const float* x, std::int64_t rows, float* y, float* pairs) const;

  private:
    std::int64_t inputs_, outputs_;
    bool bfloat16_;
    std::vector<float> packed_, bias_;
};

/// What one thread computes in. Grows to the largest batch.
/// 单个线程的工作区。
struct BertScratch {
    std::vector<float> hidden, wide, joined, pairs, scores;
};

/// A BERT whose weights are ready to be multiplied with. Safe to use from several threads, a scratch each.
/// 权重已就绪的 BERT；可多线程使用，每个线程一个工作区。
class Bert {
  public:
    /// bfloat16: products round to it, where the CPU has it.
    /// bfloat16：在 CPU 支持时以其计算乘积。
    Bert(const BertConfig& config, const BertWeights& weights, bool bfloat16);
    Bert(Bert&&) noexcept;
    ~Bert();

    std::int64_t width() const { return config_.hidden; }
    /// The last hidden states [tokens, hidden], in scratch.hidden. Each text has at most config.positions tokens.
    /// 最后一层的隐状态 [词元数, hidden]，存于 scratch.hidden。
    void forward(const PackedTexts& texts, BertScratch& scratch) const;
    /// Operations of multiplication and addition that forward() needs.
    /// forward() 所需的乘加运算次数。
    double operations(const PackedTexts& texts) const;

  private:
    struct Layer;
    void embed(const PackedTexts& texts, BertScratch& scratch) const;
    void attend(const PackedTexts& texts, BertScratch& scratch) const;
    void apply(const Layer& layer, const PackedTexts& texts, BertScratch& scratch) const;

    BertConfig config_;
    at::Tensor words_, positions_;
    std::vector<float> type_;
    NormWeights norm_;
    std::vector<Layer> layers_;
};

}  // namespace seqrec::trainer
