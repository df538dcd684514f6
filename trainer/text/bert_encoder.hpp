// A BERT with its tokenizer and its pooling, as an encoder of texts.
#pragma once

#include <memory>
#include <string>

#include "text/bert.hpp"
#include "text/text_encoder.hpp"
#include "text/wordpiece.hpp"

namespace seqrec::trainer {

/// Encodes by a BERT: texts sorted by their length, in batches without padding, which the workers take in turn.
/// 用 BERT 编码：文本按长度排序，无填充地分批，由各工作线程依次领取。
class BertEncoder : public TextEncoder {
  public:
    BertEncoder(std::string fingerprint, Bert bert, WordPiece tokenizer, Pooling pooling);

    std::string fingerprint() const override { return fingerprint_; }
    bool is_fallback() const override { return false; }
    std::int64_t width() const override { return bert_.width(); }
    std::string notice() const override { return pooling_.notice; }
    at::Tensor encode(std::span<const std::string_view> texts, Workers& workers,
                      const std::function<void(double share)>& poll) const override;
    /// Tokens and operations that encode() of these texts takes.
    /// 编码这些文本所需的词元数与运算次数。
    std::pair<std::int64_t, double> cost(std::span<const std::string_view> texts) const;

  private:
    using Ids = std::vector<std::vector<std::int32_t>>;
    struct Batch;
    Ids tokenized(std::span<const std::string_view> texts, Workers& workers) const;
    static std::vector<Batch> cut_batches(const Ids& ids);
    void encode_batch(const Batch& batch, const Ids& ids, BertScratch& scratch, float* vectors) const;
    void pool(const float* hidden, std::int64_t tokens, float* to) const;

    std::string fingerprint_;
    Bert bert_;
    WordPiece tokenizer_;
    Pooling pooling_;
};

/// Opens a model folder; errors as open_text_encoder.
/// 打开模型目录；错误同 open_text_encoder。
std::unique_ptr<const TextEncoder> open_bert_encoder(const std::string& folder);

}  // namespace seqrec::trainer
